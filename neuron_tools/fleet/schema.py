"""What a fleet file holds, and how it is read. ``docs/how-to/fleet.md`` explains every field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from dashboards.alerts import ALERTS
from neuron_tools.fleet.expectations import parse_expectation
from neuron_tools.scenario.load import ScenarioError, parse_checked, scenario_problems
from neuron_tools.scenario.schema import (
    ApplicationSpec,
    EventSpec,
    ExpectationSpec,
    ModelSpec,
    Name,
    Scenario,
    Seconds,
    nanoseconds_of,
)
from neuron_tools.scenario.wording import explain
from runtime_core.errors import UsageError
from runtime_core.files import read_regular

_MAX_BYTES = 1 << 20
MAX_NODES = 100_000
_CHECKED_EXPECTATION = ExpectationSpec("no alert")


class FailureSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault that strikes each node at random times.

    Attributes:
        every: mean time between two strikes on one node.
        fault: what happens, as in a scenario's timeline, without ``at``.
    """

    every: Seconds
    fault: dict[str, str | int | float | bool]


class MaintenanceSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"lasting": "for"}):
    """A node goes down for a time, and boots: its counters begin again. The nodes of a group take turns."""

    every: Seconds
    lasting: Seconds


class GroupSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nodes that are alike."""

    name: Name
    count: Annotated[int, Meta(ge=1, le=MAX_NODES)]
    applications: list[ApplicationSpec]
    instance: str = "inf1.6xlarge"
    zone: Name = "us-east-1a"
    failures: list[FailureSpec] = []
    maintenance: MaintenanceSpec | None = None


class Fleet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fleet file.

    Attributes:
        age: how long the nodes have run when the fleet starts.
        expectations: of ``neuron-sim fleet run``; see :mod:`.expectations`.
    """

    fleet: Annotated[str, Meta(min_length=1, max_length=200)]
    models: dict[Name, ModelSpec]
    groups: Annotated[list[GroupSpec], Meta(min_length=1)]
    seed: Annotated[int, Meta(ge=0, lt=2**32)] = 0
    age: Seconds = "0s"
    expectations: list[str] = []


class NodeName(NamedTuple):
    """A node of a fleet: its number in the fleet, its name, its group, and its place in the group."""

    number: int
    name: str
    group: int
    place: int


def nodes_of(fleet: Fleet) -> list[NodeName]:
    """The nodes, in the file's order: ``GROUP-0000`` and so on."""
    made: list[NodeName] = []
    for group, spec in enumerate(fleet.groups):
        width = max(4, len(str(spec.count - 1)))
        made += [NodeName(len(made) + i, f"{spec.name}-{i:0{width}}", group, i) for i in range(spec.count)]
    return made


def load_fleet(path: Path) -> Fleet:
    """Read and check a fleet file (YAML).

    Raises:
        ScenarioError: it cannot be read, or something in it is wrong.
    """
    return parse_fleet(read_fleet(path), path)


def read_fleet(path: Path) -> bytes:
    """The bytes of a fleet file.

    Raises:
        ScenarioError: it cannot be read.
    """
    try:
        return read_regular(path, _MAX_BYTES)
    except OSError as error:
        raise ScenarioError(f"{path} cannot be read: {error.strerror}") from None


def parse_fleet(raw: bytes, path: Path) -> Fleet:
    """Check the content of a fleet file; ``path`` is for errors, and its folder for models.

    Raises:
        ScenarioError: something in it is wrong.
    """
    return parse_checked(raw, path, Fleet, _problems)


def failure_event(failure: FailureSpec) -> EventSpec:
    """The event of a failure.

    Raises:
        msgspec.ValidationError: it is none.
    """
    return msgspec.convert({"at": "0s", **failure.fault}, EventSpec)


def scenario_of(fleet: Fleet, group: GroupSpec, timeline: list[EventSpec], duration: str = "1h") -> Scenario:
    """A scenario of one node of a group."""
    return Scenario(
        group.name, duration, fleet.models, group.applications, [_CHECKED_EXPECTATION],
        instance=group.instance, timeline=timeline,
    )  # fmt: skip


def _problems(fleet: Fleet, path: Path) -> Iterator[tuple[str, str]]:
    names = [group.name for group in fleet.groups]
    if sum(group.count for group in fleet.groups) > MAX_NODES:
        yield "$.groups", f"a fleet has at most {MAX_NODES} nodes"
    if not nanoseconds_of(fleet.age) <= 400 * 86400 * 10**9:
        yield "$.age", "expected at most 400 days"
    tags = {application.tag for group in fleet.groups for application in group.applications}
    for number, sentence in enumerate(fleet.expectations):
        try:
            parse_expectation(sentence, tags, {alert.name for alert in ALERTS})
        except UsageError as error:
            yield f"$.expectations[{number}]", str(error)
    for number, group in enumerate(fleet.groups):
        place = f"$.groups[{number}]"
        if names.count(group.name) > 1:
            yield f"{place}.name", f"two groups are named {group.name!r}"
        yield from _application_problems(group, place)
        yield from _failure_problems(group, place)
        events = [failure_event(failure) for failure in group.failures]
        for where, problem in scenario_problems(scenario_of(fleet, group, events), path):
            if where.startswith("$.timeline["):
                where = "$.failures[" + where.removeprefix("$.timeline[")
            yield (where if where.startswith("$.models") else f"{place}{where.removeprefix('$')}"), problem
        every = group.maintenance
        if every is not None and not 0 < 2 * nanoseconds_of(every.lasting) <= nanoseconds_of(every.every):
            yield f"{place}.maintenance", "expected for: of at most half of every:"


def _application_problems(group: GroupSpec, place: str) -> Iterator[tuple[str, str]]:
    tags = [application.tag for application in group.applications]
    for number, application in enumerate(group.applications):
        where = f"{place}.applications[{number}]"
        if tags.count(application.tag) > 1:
            yield f"{where}.tag", f"two applications have the tag {application.tag!r}"
        if application.pod is not None:
            yield f"{where}.pod", "nodes of a fleet have no cluster; use cores"
        if application.arrivals.trace is not None:
            yield f"{where}.arrivals.trace", "nodes of a fleet do not replay traces; use poisson, constant or diurnal"
        if nanoseconds_of(application.start) or application.end is not None:
            yield where, "applications of a fleet run all the time; omit start and end"


def _failure_problems(group: GroupSpec, place: str) -> Iterator[tuple[str, str]]:
    for number, failure in enumerate(group.failures):
        where = f"{place}.failures[{number}]"
        try:
            event = failure_event(failure)
        except msgspec.ValidationError as error:
            found = explain(error, {"at": "0s", **failure.fault}, EventSpec)
            yield f"{where}.fault{found.place.removeprefix('$')}", found.problem
            return
        if event.fault is None or event.lasting is None:
            yield f"{where}.fault", "expected fault and for"
            return
        if not 0 < nanoseconds_of(event.lasting) < nanoseconds_of(failure.every):
            yield f"{where}.fault.for", "expected more than nothing, and less than every"
        if event.count is not None:
            yield f"{where}.fault.count", "not supported in a fleet; use for"
