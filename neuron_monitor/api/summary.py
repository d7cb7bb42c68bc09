"""A summary of a node in a few hundred bytes, for programs that monitor hundreds of nodes. ``None``: not available."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta

from neuron_monitor import report as out
from neuron_monitor.prometheus.seen import ECC_EVENTS, Counters, NodeSeen, RuntimeSeen

Ratio = Annotated[float, Meta(ge=0, le=1)]


class Problem(msgspec.Struct):
    """A problem of the node.

    Attributes:
        severity: notice, warning or critical.
        text: one line.
        runbook: fragment of the problem's section in the runbooks.
    """

    severity: str
    text: str
    runbook: str


class Summary(msgspec.Struct):
    """The state of the node at its latest report.

    Attributes:
        time_unix_seconds: time at which the node was read. Compute rates from the difference of two summaries.
        error: the reason why the node cannot be read, or ""; if set, only ``instance_info`` is valid.
        instance_info: as in the report.
        neuron_device_count: number of devices present.
        neuron_runtime_count: number of live runtimes.
        neuroncore_owned_count: number of cores that a runtime owns.
        neuroncore_utilization_ratio: of each core in order, over the last period; 0 for a core without an owner.
        executions_total, executions_failed_total: executions of all runtimes, including those before the monitor
            started. They never decrease, even when a runtime ends.
        execution_latency_p50_seconds, execution_latency_p99_seconds: in the last period, of the slowest runtime.
        neuron_device_memory_used_bytes, neuron_device_memory_total_bytes: of all devices.
        ecc_corrected_total, ecc_uncorrected_total: events of all devices since the driver was loaded.
        problems: problems of the node, the worst first.
    """

    time_unix_seconds: float
    error: str
    instance_info: out.InstanceInfo
    neuron_device_count: out.Count | None
    neuron_runtime_count: out.Count
    neuroncore_owned_count: out.Count
    neuroncore_utilization_ratio: list[Ratio | None]
    executions_total: out.Count | None
    executions_failed_total: out.Count | None
    execution_latency_p50_seconds: out.Seconds | None
    execution_latency_p99_seconds: out.Seconds | None
    neuron_device_memory_used_bytes: out.Bytes | None
    neuron_device_memory_total_bytes: out.Bytes | None
    ecc_corrected_total: out.Count | None
    ecc_uncorrected_total: out.Count | None
    problems: list[Problem]


class _Executed:
    """Executions of all runtimes, as sums that never decrease."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, int], tuple[int, int]] = {}
        self.total = self.failed = 0
        self.known = False

    def take(self, runtimes: Iterable[RuntimeSeen]) -> None:
        now: dict[tuple[int, int], tuple[int, int]] = {}
        for runtime in runtimes:
            last = self._last.get(runtime.key, (0, 0))
            counts = _executions(runtime.counters)
            now[runtime.key] = last if counts is None else counts
            self.known |= counts is not None
            self.total += max(0, now[runtime.key][0] - last[0])
            self.failed += max(0, now[runtime.key][1] - last[1])
        self._last = now


def _executions(counters: Counters) -> tuple[int, int] | None:
    """Return the number of executions and of failed ones; the first outcome is success."""
    if counters.executions is None:
        return None
    completed, *others = (count or 0 for count in counters.executions)
    return completed + sum(others), sum(others)


class Summaries:
    """Builds a summary of each report."""

    def __init__(self) -> None:
        """Create a builder with counts of 0."""
        self._executed = _Executed()

    def take(self, node: NodeSeen, unix_seconds: float) -> Summary | None:
        """Return the summary of a report; ``None`` for a report from a stream, which has neither devices nor health."""
        self._executed.take(node.runtimes)
        if node.problems is None:
            return None
        cores = _cores(node)
        return Summary(
            unix_seconds,
            node.error,
            node.instance,
            len(node.devices) if not node.error else None,
            len(node.runtimes),
            len(node.owners),
            cores,
            self._executed.total if self._executed.known or not node.runtimes else None,
            self._executed.failed if self._executed.known or not node.runtimes else None,
            _latency(node.runtimes, "p50"),
            _latency(node.runtimes, "p99"),
            _sum(device.memory_used_bytes for device in node.devices),
            _sum(device.memory_total_bytes for device in node.devices),
            _ecc(node, "_corrected"),
            _ecc(node, "uncorrected"),
            [Problem(problem.severity, problem.text, problem.runbook) for problem in node.problems],
        )


def _cores(node: NodeSeen) -> list[float | None]:
    busy: dict[int, float] = {}
    for runtime in node.runtimes:
        counters = runtime.groups.neuroncore_counters
        if counters is UNSET or runtime.error:
            continue
        for core, figures in counters.neuroncores_in_use.items():
            if core.isdecimal() and figures.neuroncore_utilization is not None:
                busy[int(core)] = busy.get(int(core), 0.0) + figures.neuroncore_utilization / 100
    every = (core for device in node.devices for core in device.core_ids)
    unknown = node.owners.keys() | node.unclear
    return [min(1.0, round(busy[core], 4)) if core in busy else None if core in unknown else 0.0 for core in every]


def _latency(runtimes: Iterable[RuntimeSeen], percentile: str) -> float | None:
    groups = (runtime.groups.execution_stats for runtime in runtimes if not runtime.error)
    found = (g.latency_stats.total_latency for g in groups if g is not UNSET)
    values = (getattr(latency, percentile) for latency in found if latency is not None)
    return max((value for value in values if value is not None), default=None)


def _ecc(node: NodeSeen, ending: str) -> int | None:
    places = [place for place, event in enumerate(ECC_EVENTS) if event.endswith(ending)]
    return _sum(counts[place] for counts in node.ecc.values() for place in places)


def _sum(values: Iterable[int | None]) -> int | None:
    """Return the sum of the known values, or ``None`` if none is known."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
