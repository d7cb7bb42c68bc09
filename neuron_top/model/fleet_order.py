"""Which nodes of a fleet come first, and nodes of a zone or an instance type as one row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from neuron_top.model.fleet import COLUMNS, Group, NodeRow, totals
from neuron_top.model.table import sort_rows
from runtime_core.telemetry import Severity

WORST = 10
_UNKNOWN = "unknown"


class Grouping(NamedTuple):
    """A way to put nodes together: its name, and the group of a node."""

    name: str
    of: Callable[[NodeRow], str]


GROUPINGS = (
    Grouping("zone", lambda row: row.zone or _UNKNOWN),
    Grouping("type", lambda row: row.instance_type or _UNKNOWN),
)


def grouping_named(name: str) -> Grouping | None:
    """Return the grouping with a name; ``None`` if nodes are not grouped."""
    return next((grouping for grouping in GROUPINGS if grouping.name == name), None)


def next_grouping(name: str) -> str:
    """The name of the grouping after this one; "" for none, which comes after the last."""
    names = ("", *(grouping.name for grouping in GROUPINGS))
    return names[(names.index(name) + 1) % len(names)] if name in names else ""


def ordered(rows: Sequence[NodeRow], column: int, *, reverse: bool, worst_first: bool) -> list[NodeRow]:
    """Rows sorted by a column; before them, if asked for, the worst ten of those that have problems."""
    found = sort_rows(rows, COLUMNS[column], reverse=reverse)
    if not worst_first:
        return found
    troubled = [row for row in found if row.rank >= Severity.WARNING]
    worst = sorted(troubled, key=_badness, reverse=True)[:WORST]
    pinned = {row.endpoint for row in worst}
    return [*worst, *(row for row in found if row.endpoint not in pinned)]


def _badness(row: NodeRow) -> tuple[int, int, float]:
    return row.rank, row.failed or 0, row.p99_ns or 0.0


def groups_of(rows: Sequence[NodeRow], grouping: Grouping) -> tuple[Group, ...]:
    """The places of the nodes of each group, by its name."""
    found: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        found.setdefault(grouping.of(row), []).append(number)
    return tuple(Group(f"{name} ({len(found[name])})", tuple(found[name])) for name in sorted(found))


def group_rows(rows: Sequence[NodeRow], grouping: Grouping) -> list[NodeRow]:
    """A row for each group: sums, the mean utilization, the worst p99, and how many nodes are in trouble."""
    found: dict[str, list[NodeRow]] = {}
    for row in rows:
        found.setdefault(grouping.of(row), []).append(row)
    return [_group_row(name, members) for name, members in found.items()]


def _group_row(name: str, rows: list[NodeRow]) -> NodeRow:
    known = totals(tuple(rows))
    silent = known.nodes - known.answering
    parts = [
        "1 node" if known.nodes == 1 else f"{known.nodes} nodes",
        *([f"{silent} without an answer"] if silent else ()),
        *([f"{known.unhealthy} with problems"] if known.unhealthy else ()),
    ]
    grades = [Severity.CRITICAL if row.problem else row.grade for row in rows if row.rank]
    return NodeRow(
        name,
        "",
        max((row.answered_at for row in rows if row.answered_at is not None), default=None),
        "",
        _one_of(row.instance_type for row in rows),
        _one_of(row.zone for row in rows),
        _sum(row.runtimes for row in rows),
        known.owned,
        tuple(share for row in rows for share in row.cores),
        known.utilization,
        known.executions_per_second,
        max((row.p99_ns for row in rows if row.p99_ns is not None), default=None),
        _sum(row.device_used_bytes for row in rows),
        _sum(row.device_total_bytes for row in rows),
        _sum(row.failed for row in rows),
        _sum(row.ecc_uncorrected for row in rows),
        ", ".join(parts),
        max((grade for grade in grades if grade is not None), default=None),
    )


def _one_of(texts: Iterable[str]) -> str:
    """What all have in common; how many there are where they differ."""
    different = set(filter(None, texts))
    return different.pop() if len(different) == 1 else f"{len(different)} kinds" if different else ""


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
