"""A node that is computed beside one that executes every request, of the same seed and at the same time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from neuron_tools.fleet.calibrate import Line, NodePages, lines_of
from neuron_tools.fleet.node import Nodes, requests_ns
from neuron_tools.fleet.schema import Fleet, GroupSpec, NodeName, scenario_of
from neuron_tools.scenario.schema import ApplicationSpec, Arrivals
from neuron_tools.scenario.virtual_world import VirtualWorld
from runtime_core.errors import UsageError

_PERIOD_NS = 5 * 10**9
_NOT_COMPARED = ("execution_latency_seconds", "system_vcpu_usage_ratio")
"""Gauges of the last five seconds, which a computed page takes from the measured window."""

_UTILIZATION_LIMIT, _BUCKET_LIMIT, _SUM_LIMIT, _CLOSED_LIMIT = 0.03, 0.01, 0.01, 0.01


class Kind(NamedTuple):
    """Lines with the same limit.

    Attributes:
        what: they are.
        lines: how many.
        equal: of them, equal byte for byte.
        worst: the largest difference, in ``unit``.
        limit: that it must not exceed.
        unit: of both.
    """

    what: str
    lines: int
    equal: int
    worst: float
    limit: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether every line is within the limit."""
        return self.worst <= self.limit


def compare(fleet: Fleet, folder: Path, name: NodeName, at_ns: int) -> list[Kind]:
    """Compare the pages of a node at a time: computed, and of a node that executes each request at the same times.

    Args:
        fleet: the fleet.
        folder: where its models are.
        name: a node of a group without maintenance.
        at_ns: since the fleet's start, more than 5 s, before the first failure.

    Raises:
        UsageError: the group has maintenance, or a failure before that time.
    """
    group = fleet.groups[name.group]
    nodes = Nodes(fleet, folder)
    node = nodes.by_name[name.name]
    if at_ns <= _PERIOD_NS or any(first_ns < at_ns for _, first_ns, _ in node.incidents(0, at_ns)):
        raise UsageError(
            f"{name.name} has a fault or a maintenance before that time", mend="choose an earlier time, above 5 s"
        )
    computed = _figures(node.page(at_ns) or "")
    page, labels = _executed(fleet, group, name, at_ns, folder)
    executed = _figures(page.replace(labels, node.labels))
    if list(computed) != list(executed):
        differing = sorted(computed.keys() ^ executed.keys())
        raise UsageError(f"the pages have different series: {', '.join(differing[:3])}")
    return list(_kinds(group, computed, executed))


def _figures(page: str) -> dict[str, str]:
    return {line.head: line.value for line in lines_of(page) if isinstance(line, Line)}


def _executed(fleet: Fleet, group: GroupSpec, name: NodeName, at_ns: int, folder: Path) -> tuple[str, str]:
    """The page of a node that executes every request, and the labels of its instance."""
    with tempfile.TemporaryDirectory(prefix="neuron-fleet-") as traces:
        applications = [
            _traced(fleet, name, number, application, at_ns, Path(traces))
            for number, application in enumerate(group.applications)
        ]
        traced = msgspec.structs.replace(group, applications=applications)
        world = VirtualWorld(scenario_of(fleet, traced, []), folder, fleet.seed)
        try:
            for number, application in enumerate(applications):
                world.start(number, application)
            world.advance(at_ns - _PERIOD_NS)
            pages = NodePages(world)
            pages.page()
            world.advance(at_ns)
            return pages.page(), pages.labels
        finally:
            world.close()


def _traced(
    fleet: Fleet, name: NodeName, number: int, application: ApplicationSpec, at_ns: int, folder: Path
) -> ApplicationSpec:
    """The application with its random requests as a trace."""
    arrivals = application.arrivals
    if arrivals.constant is not None or arrivals.closed is not None:
        return application
    trace = folder / f"{number}.txt"
    with trace.open("w") as file:
        file.writelines(f"{time_ns / 1e9:.9f}\n" for time_ns in requests_ns(fleet, name, number, at_ns))
    return msgspec.structs.replace(application, arrivals=Arrivals(trace=str(trace)))


def _kinds(group: GroupSpec, computed: dict[str, str], executed: dict[str, str]) -> Iterator[Kind]:
    """Lines by kind, the exact ones last."""
    random = [a.tag for a in group.applications if a.arrivals.constant is None and a.arrivals.closed is None]
    closed = [a.tag for a in group.applications if a.arrivals.closed is not None]
    clients = max((a.threads for a in group.applications if a.tag in random), default=0)
    heads = [head for head in executed if not head.startswith(_NOT_COMPARED) and "_created{" not in head]

    def taken(what: str, limit: float, unit: str, choose: Callable[[str], bool], scale: Callable[[str], float]) -> Kind:
        mine = [head for head in heads if choose(head)]
        heads[:] = [head for head in heads if head not in set(mine)]
        return _kind(what, mine, limit, unit, computed, executed, scale)

    def executions(head: str) -> float:
        """Of the application that a line of its histogram belongs to."""
        tag = head.partition('runtime_tag="')[2].partition('"')[0]
        return max(
            1.0, sum(float(v) for h, v in executed.items() if h.startswith(_COUNT) and f'runtime_tag="{tag}"' in h)
        )

    yield taken("utilization", _UTILIZATION_LIMIT, "", lambda h: "utilization" in h, lambda _: 1.0)
    yield taken(
        "latency buckets", _BUCKET_LIMIT, "of the executions", lambda h: "duration_seconds_bucket" in h, executions
    )
    yield taken("latency sums", _SUM_LIMIT, "of the sum", lambda h: "duration_seconds_sum" in h,
                lambda h: max(1e-9, float(executed[h])))  # fmt: skip

    def counted(head: str, tags: Sequence[str]) -> bool:
        counts = 'status_type="completed"' in head or head.startswith(_COUNT)
        return counts and any(f'runtime_tag="{tag}"' in head for tag in tags)

    yield taken("executions of random arrivals", clients, "executions", lambda h: counted(h, random), lambda _: 1.0)
    yield taken(
        "executions of closed arrivals", _CLOSED_LIMIT, "of the executions", lambda h: counted(h, closed), executions
    )
    yield taken("all other lines", 0.0, "", lambda _: True, lambda _: 1.0)


_COUNT = "neuron_execution_duration_seconds_count{"


def _kind(
    what: str, heads: Sequence[str], limit: float, unit: str, computed: dict[str, str], executed: dict[str, str],
    scale: Callable[[str], float],
) -> Kind:  # fmt: skip
    worst = max((abs(float(computed[h]) - float(executed[h])) / scale(h) for h in heads), default=0.0)
    equal = sum(computed[head] == executed[head] for head in heads)
    # A line that must be exact is so as text.
    return Kind(what, len(heads), equal, max(worst, 1e-300) if not limit and equal < len(heads) else worst, limit, unit)
