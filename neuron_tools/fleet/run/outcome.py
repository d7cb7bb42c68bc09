"""What nodes add up to: results of jobs, and their sum in the order of the jobs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec


class Firing(msgspec.Struct, frozen=True):
    """An alert that fired for a series of a node; seconds of the run, ``until``: ``None`` while it still does.

    ``explained``: a fault or a maintenance of the node came before it, no longer ago than the rules look back.
    """

    alert: str
    node: str
    labels: dict[str, str]
    since_seconds: float
    until_seconds: float | None
    explained: bool


class Incident(msgspec.Struct, frozen=True):
    """A fault or a maintenance of a node, ``[since, until)`` in seconds of the run."""

    node: str
    what: str
    since_seconds: float
    until_seconds: float


class TagOutcome(msgspec.Struct):
    """Executions of a tag; lists are by point of the plots.

    Attributes:
        executions: that count against the objective: all but those whose input was wrong.
        failed: of them.
        bounds_seconds: of the histogram's buckets, the last infinite (``null`` in JSON).
        buckets: durations in each bucket or a lower one, by bucket and point.
        latency_sum_seconds: of all executions.
    """

    executions: list[float]
    failed: list[float]
    bounds_seconds: list[float | None]
    buckets: list[list[float]]
    latency_sum_seconds: float = 0.0


class GroupOutcome(msgspec.Struct):
    """Nodes of a group; lists are by point of the plots.

    Attributes:
        nodes: how many.
        scrapes: of each point, over all nodes.
        answered: scrapes of a node that was up.
        cores_owned: sum over these.
        utilization_sum, utilization_count: of owned cores, over these.
    """

    nodes: int
    scrapes: list[float]
    answered: list[float]
    cores_owned: list[float]
    utilization_sum: list[float]
    utilization_count: list[float]


class Outcome(msgspec.Struct):
    """What a job's nodes did, or all of a run.

    Attributes:
        groups: by name.
        tags: by runtime tag.
        firings: in the order of nodes.
        incidents: in the order of nodes.
        absences: of each alert on what is missing everywhere, where it holds as places ``[first, end)`` of the grid.
    """

    groups: dict[str, GroupOutcome]
    tags: dict[str, TagOutcome]
    firings: list[Firing]
    incidents: list[Incident]
    absences: dict[str, list[tuple[int, int]]]


class NodesResult(msgspec.Struct, frozen=True):
    """The result of a job; ``openmetrics``: see :mod:`.openmetrics`."""

    outcome: Outcome
    openmetrics: dict[str, bytes] = {}


T = TypeVar("T", TagOutcome, GroupOutcome)


def added(outcomes: Iterable[Outcome]) -> Outcome:
    """The sum, in order."""
    total = Outcome({}, {}, [], [], {})
    for number, one in enumerate(outcomes):
        for name, group in one.groups.items():
            total.groups[name] = _plus(total.groups[name], group) if name in total.groups else group
        for tag, counts in one.tags.items():
            total.tags[tag] = _plus(total.tags[tag], counts) if tag in total.tags else counts
        total.firings += one.firings
        total.incidents += one.incidents
        for alert, runs in one.absences.items():
            total.absences[alert] = both(total.absences.get(alert, []), runs) if number else runs
    return total


def both(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Where two lists of runs overlap."""
    pairs = ((max(a, c), min(b, d)) for a, b in left for c, d in right)
    return [(first, end) for first, end in pairs if first < end]


def _plus(left: T, right: T) -> T:
    """Field by field. Tags of all groups have the same bounds: those of neuron-monitor's metric."""
    values: dict[str, Any] = {}
    for field in left.__struct_fields__:
        a, b = getattr(left, field), getattr(right, field)
        values[field] = a if field == "bounds_seconds" else _sum(a, b)
    return type(left)(**values)


def _sum(a: object, b: object) -> object:
    if isinstance(a, list) and isinstance(b, list):
        return [_sum(x, y) for x, y in zip(a, b, strict=True)]
    assert isinstance(a, int | float)  # noqa: S101 - the fields of the two records
    assert isinstance(b, int | float)  # noqa: S101
    return a + b
