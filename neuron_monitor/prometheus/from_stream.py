"""Metrics from the stream of a neuron-monitor: its counts per period are summed to counters."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from msgspec import UNSET

from neuron_monitor import report as out
from neuron_monitor.prometheus.seen import (
    Counters,
    Counts,
    NodeSeen,
    RuntimeSeen,
    ecc_counts,
    merge_groups,
    plus,
)
from neuron_monitor.reading import ReportReader

_OVERDUE_RATIO = 0.9
"""A group is overdue if it is missing for this share of its period after it was last seen."""


class _Known:
    """A runtime that was seen in the stream."""

    def __init__(self, entry: out.RuntimeData, number: int) -> None:
        self.key = (entry.pid or 0, number)
        self.pid = entry.pid
        # Without NEURON_PROCESS_TAG the tag is the pid; a stream without tags still has the pid.
        self.tag = entry.neuron_runtime_tag or ("" if entry.pid is None else str(entry.pid))
        self.since_seconds = time.time()
        self.groups = out.RuntimeReport()
        self.counters = Counters()
        self.error = ""
        self.seen_at = 0.0
        self.shortest_period = float("inf")

    def take(self, entry: out.RuntimeData, now: float) -> None:
        self.error = entry.error
        self.seen_at = now
        merge_groups(self.groups, entry.report)
        periods = [
            group.period
            for name in out.RuntimeReport.__struct_fields__
            if (group := getattr(entry.report, name)) is not UNSET and group.period is not None
        ]
        self.shortest_period = min([self.shortest_period, *periods])
        stats = entry.report.execution_stats
        if stats is not UNSET:
            self.counters = Counters(
                plus(self.counters.errors, _values(stats.error_summary)),
                plus(self.counters.executions, _values(stats.execution_summary)),
            )


def _values(record: msgspec.Struct | None) -> Counts | None:
    return None if record is None else msgspec.structs.astuple(record)


class StreamFeed:
    """Converts lines to the input of the metrics.

    A runtime has ended at the first report that lacks one of its groups although the group was due. If all groups have
    the same period, that is the next report.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, warn: Callable[[str], None] = lambda _: None
    ) -> None:
        """Create a converter.

        Args:
            clock: returns seconds that never decrease.
            warn: called with a message about parts of the stream that cannot be used.
        """
        self._clock = clock
        self.reader = ReportReader(warn)
        self._known: dict[tuple[int | None, str], _Known] = {}
        self._number = 0
        self._periods: dict[str, float] = {}
        self._vcpu: out.VcpuUsage | None = None
        self._memory: out.MemoryInfo | None = None
        self._ecc: dict[int, Counts] = {}
        self._pods: dict[int, out.CoreUser] = {}
        self._since_seconds = time.time()

    def take_line(self, line: bytes) -> NodeSeen:
        """Process a line of the stream, and return the current state.

        Raises:
            msgspec.MsgspecError: the line is not a report.
        """
        return self.take(self.reader.read(line))

    def take(self, report: out.Report) -> NodeSeen:
        """Process a report, and return the current state."""
        now = self._clock()
        system = report.system_data
        if system.vcpu_usage is not UNSET:
            self._vcpu = system.vcpu_usage
        if system.memory_info is not UNSET:
            self._memory = system.memory_info
        if system.neuron_hw_counters is not UNSET:
            for device in system.neuron_hw_counters.neuron_devices:
                index = device.neuron_device_index
                if index is None:
                    continue
                counts = plus(self._ecc.get(index), ecc_counts(device))
                if counts is not None:
                    self._ecc[index] = counts
        if report.neuron_k8s_info is not UNSET:
            used = report.neuron_k8s_info.neuroncores_k8s_info
            self._pods = {int(core): user for core, user in used.items() if core.isdecimal()}
        self._learn_periods(report)
        for entry in report.neuron_runtime_data:
            self._take_runtime(entry, now)
        error = report.neuron_hardware_info.error
        if error:
            # Whether runtimes have ended is unknown until the node can be read again.
            for known in self._known.values():
                known.error = error
        else:
            self._drop_ended(now)
        return NodeSeen(
            report.instance_info,
            report.neuron_hardware_info,
            tuple(
                RuntimeSeen(known.key, known.tag, known.since_seconds, known.groups, known.counters, known.error)
                for known in self._known.values()
            ),
            self._vcpu,
            self._memory,
            dict(self._ecc),
            self._since_seconds,
            (),
            self._owners(),
            now,
            error,
            self._pods,
        )

    def _take_runtime(self, entry: out.RuntimeData, now: float) -> None:
        place = (entry.pid, entry.neuron_runtime_tag)
        known = self._known.get(place)
        if known is None:
            self._number += 1
            known = self._known[place] = _Known(entry, self._number)
        known.take(entry, now)

    def _learn_periods(self, report: out.Report) -> None:
        for groups in (report.system_data, *(entry.report for entry in report.neuron_runtime_data)):
            for name in groups.__struct_fields__:
                group = getattr(groups, name)
                if group is not UNSET and group.period is not None:
                    self._periods[name] = min(group.period, self._periods.get(name, group.period))

    def _drop_ended(self, now: float) -> None:
        shortest, longest = min(self._periods.values(), default=0.0), max(self._periods.values(), default=0.0)
        if longest * _OVERDUE_RATIO <= shortest:
            self._known = {place: known for place, known in self._known.items() if known.seen_at == now}
            return
        self._known = {
            place: known
            for place, known in self._known.items()
            if known.seen_at == now or now - known.seen_at < _OVERDUE_RATIO * known.shortest_period
        }

    def _owners(self) -> dict[int, tuple[str, int]]:
        """Return core -> tag and pid of the runtime that uses the core.

        Some releases list every core for each process, with zeros for cores of other processes. Then the only process
        that used the core is its owner; if there is not exactly one, the core has no owner.
        """
        listed: dict[int, list[tuple[_Known, bool]]] = {}
        for known in self._known.values():
            counters = known.groups.neuroncore_counters
            if counters is UNSET or known.pid is None:
                continue
            for core in counters.neuroncores_in_use:
                if core.isdecimal():
                    listed.setdefault(int(core), []).append((known, _uses(known.groups, core)))
        owners = {}
        for index, candidates in listed.items():
            chosen = candidates if len(candidates) == 1 else [one for one in candidates if one[1]]
            if len(chosen) == 1:
                owners[index] = (chosen[0][0].tag, chosen[0][0].key[0])
        return owners


def _uses(groups: out.RuntimeReport, core: str) -> bool:
    """Return whether a runtime was busy on a core, or has memory there."""
    if groups.neuroncore_counters is not UNSET:
        counters = groups.neuroncore_counters.neuroncores_in_use.get(core)
        if counters is not None and (counters.neuroncore_utilization or counters.flops):
            return True
    if groups.memory_used is UNSET:
        return False
    usage = groups.memory_used.neuron_runtime_used_bytes.usage_breakdown.neuroncore_memory_usage.get(core)
    return usage is not None and any(msgspec.structs.astuple(usage))
