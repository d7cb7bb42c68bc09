"""When which group is due, and what a report of the due groups holds."""

from __future__ import annotations

import re
from typing import NamedTuple

from neuron_monitor import groups
from neuron_monitor import report as out
from neuron_monitor.config import Config, RuntimeMetric, RuntimeRule, SystemMetric
from runtime_core.telemetry import NodeError, Rates, Snapshot, Source, rates
from runtime_core.telemetry.snapshot import Runtime


class _Group(NamedTuple):
    """A metric group of a rule (``rule`` -1: of the system)."""

    rule: int
    metric: RuntimeMetric | SystemMetric


class Collector:
    """Reports on one schedule: each group's deadlines are multiples of its period from the start, so none drifts."""

    def __init__(self, source: Source, config: Config, start_ns: int) -> None:
        """Look at the node once: the first report tells what happened since.

        Args:
            source: where snapshots come from.
            config: what to report.
            start_ns: CLOCK_MONOTONIC that all deadlines count from.

        Raises:
            NodeError: there is no node.
        """
        self._source = source
        self._start_ns = start_ns
        first = source.snapshot(host=True)
        self._last_seen = first
        self._before: dict[_Group, Snapshot] = {}
        self._periods_ns: dict[_Group, int] = {}
        self._ticks: dict[_Group, int] = {}
        self._config = config
        self._enter(config, first)

    def _enter(self, config: Config, first: Snapshot) -> None:
        self._config = config
        self._before.clear()
        self._periods_ns.clear()
        for number, rule in enumerate(config.runtimes):
            for metric, seconds in rule.periods.items():
                self._periods_ns[_Group(number, metric)] = round(seconds * 1e9)
        for system_metric, seconds in config.system.items():
            self._periods_ns[_Group(-1, system_metric)] = round(seconds * 1e9)
        self._before = dict.fromkeys(self._periods_ns, first)
        self._ticks = dict.fromkeys(self._periods_ns, 1)

    def reconfigure(self, config: Config, now_ns: int) -> None:
        """Go on with another configuration from now."""
        self._start_ns = now_ns
        self._enter(config, self._last_seen)

    def next_deadline_ns(self) -> int | None:
        """When the next group is due; ``None`` when none ever is."""
        deadlines = [self._start_ns + self._ticks[g] * period for g, period in self._periods_ns.items()]
        return min(deadlines, default=None)

    def collect(self, now_ns: int) -> out.Report:
        """The report of all groups that are due; one that is late skips to its next deadline, it never bursts."""
        due = []
        for group, period_ns in self._periods_ns.items():
            if self._start_ns + self._ticks[group] * period_ns <= now_ns:
                due.append(group)
                self._ticks[group] = (now_ns - self._start_ns) // period_ns + 1
        error = ""
        try:
            snapshot = self._source.snapshot(host=True)
        except NodeError as problem:
            error = str(problem)
            # The node is gone: nothing runs, and the last known identity still stands.
            last = self._last_seen
            snapshot = last._replace(time_ns=now_ns, runtimes=(), host=None)
        report = self._report(snapshot, due, error)
        self._last_seen = snapshot
        return report

    def _report(self, snapshot: Snapshot, due: list[_Group], error: str) -> out.Report:
        cache: dict[int, Rates] = {}

        def rates_since(group: _Group) -> Rates:
            before = self._before[group]
            if id(before) not in cache:
                cache[id(before)] = rates(before, snapshot)
            return cache[id(before)]

        runtime_data = [
            data
            for runtime in snapshot.runtimes
            if (data := self._runtime(runtime, snapshot, {g: rates_since(g) for g in due if g.rule >= 0})) is not None
        ]
        system = _system({g.metric: rates_since(g) for g in due if g.rule < 0}, snapshot, error)
        for group in due:
            self._before[group] = snapshot
        return out.Report(runtime_data, system, groups.instance_info(snapshot), groups.hardware_info(snapshot, error))

    def _runtime(self, runtime: Runtime, snapshot: Snapshot, due: dict[_Group, Rates]) -> out.RuntimeData | None:
        """The first rule that matches a runtime speaks for it."""
        number = next((i for i, rule in enumerate(self._config.runtimes) if _matches(rule, runtime)), None)
        if number is None:
            return None
        report = out.RuntimeReport()
        some = False
        for group, since in due.items():
            if group.rule != number:
                continue
            some = True
            rate = since.runtimes[runtime.key]
            match group.metric:
                case RuntimeMetric.NEURONCORE_COUNTERS:
                    report.neuroncore_counters = groups.neuroncore_counters(runtime, rate)
                case RuntimeMetric.EXECUTION_STATS:
                    report.execution_stats = groups.execution_stats(runtime, rate)
                case RuntimeMetric.MEMORY_USED:
                    report.memory_used = groups.memory_used(runtime, rate)
                case RuntimeMetric.VCPU_USAGE:
                    vcpus = len(snapshot.host.vcpus) if snapshot.host is not None else 0
                    report.neuron_runtime_vcpu_usage = groups.runtime_vcpu_usage(runtime, rate, vcpus)
                case _:
                    pass
        if not some:
            return None
        return out.RuntimeData(runtime.pid, runtime.tag, runtime.address, runtime.error, report)


def _matches(rule: RuntimeRule, runtime: Runtime) -> bool:
    if rule.address is not None:
        return runtime.address == rule.address
    return rule.tag_filter is None or re.search(rule.tag_filter, runtime.tag) is not None


def _system(due: dict[RuntimeMetric | SystemMetric, Rates], snapshot: Snapshot, error: str) -> out.SystemData:
    data = out.SystemData()
    for metric, since in due.items():
        match metric:
            case SystemMetric.VCPU_USAGE:
                data.vcpu_usage = groups.vcpu_usage(since.host, since.seconds)
            case SystemMetric.MEMORY_INFO:
                data.memory_info = groups.memory_info(snapshot.host, since.seconds)
            case SystemMetric.HW_COUNTERS:
                data.neuron_hw_counters = groups.hw_counters(since, error)
            case _:
                pass
    return data
