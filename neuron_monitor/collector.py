"""Schedule the metric groups, and build a report from the groups that are due."""

from __future__ import annotations

import time
from typing import NamedTuple

from neuron_monitor import groups
from neuron_monitor import report as out
from neuron_monitor.compat.releases import Compat
from neuron_monitor.config import Config, RuntimeRule
from neuron_monitor.config_names import RuntimeMetric, SystemMetric
from runtime_core.telemetry import NodeError, Rates, Snapshot, Source, rates
from runtime_core.telemetry.address import normal_address
from runtime_core.telemetry.snapshot import Runtime


class _Group(NamedTuple):
    """A metric group of a rule (``rule`` -1: a system group; -2: no group, only the parts of every report)."""

    rule: int
    metric: RuntimeMetric | SystemMetric | None


NO_EARLIER_FIGURES = "its earlier figures could not be read, so there are no figures for this period"


class Look(NamedTuple):
    """The result of reading the node once.

    Attributes:
        report: the report.
        snapshot: the snapshot; ``None`` if the node could not be read.
        error: the reason why it could not be read, or "".
        began_seconds: monotonic time at which the reading began.
        config: the configuration of the report.
    """

    report: out.Report
    snapshot: Snapshot | None
    error: str
    began_seconds: float
    config: Config

    @property
    def compat(self) -> Compat | None:
        """The release whose form the lines have; ``None`` for our own."""
        return self.config.compat


class Collector:
    """Builds all reports on one schedule: a group's deadlines are multiples of its period, so they do not drift."""

    def __init__(self, source: Source, config: Config, start_ns: int) -> None:
        """Read the node once, so that the first report covers the time since then.

        Args:
            source: source of snapshots.
            config: contents of the report.
            start_ns: CLOCK_MONOTONIC time from which all deadlines are computed.

        Raises:
            NodeError: the node is missing.
        """
        self._source = source
        self._start_ns = start_ns
        self._config = config
        self._last_seen = source.snapshot(host=True)
        self._before: dict[_Group, Snapshot] = {}
        self._periods_ns: dict[_Group, int] = {}
        self._ticks: dict[_Group, int] = {}
        self.reconfigure(config, start_ns)

    def reconfigure(self, config: Config, now_ns: int) -> None:
        """Switch to another configuration; a group in both continues from the end of its last report."""
        self._config = config
        self._start_ns = now_ns
        self._periods_ns = {
            _Group(number, metric): round(seconds * 1e9)
            for number, rule in enumerate(config.runtimes)
            for metric, seconds in rule.periods.items()
        }
        self._periods_ns |= {_Group(-1, metric): round(seconds * 1e9) for metric, seconds in config.system.items()}
        if not self._periods_ns:
            self._periods_ns[_Group(-2, None)] = round(config.idle_seconds * 1e9)
        self._before = {group: self._before.get(group, self._last_seen) for group in self._periods_ns}
        self._ticks = dict.fromkeys(self._periods_ns, 1)

    def next_deadline_ns(self) -> int:
        """Return the CLOCK_MONOTONIC time at which the next group is due."""
        return min(self._start_ns + self._ticks[group] * period for group, period in self._periods_ns.items())

    def collect(self, now_ns: int, *, everything: bool = False) -> Look:
        """Return the report of all groups that are due. A late group skips to its next deadline, without a burst.

        Args:
            now_ns: CLOCK_MONOTONIC time.
            everything: treat every group as due.
        """
        began_seconds = time.monotonic()
        due = []
        for group, period_ns in self._periods_ns.items():
            if everything or self._start_ns + self._ticks[group] * period_ns <= now_ns:
                due.append(group)
                self._ticks[group] = (now_ns - self._start_ns) // period_ns + 1
        try:
            snapshot = self._source.snapshot(host=True)
        except (NodeError, OSError) as problem:
            error = str(problem) or type(problem).__name__
            # Only the instance is known. The earlier figures are kept from the last successful reading, so that the
            # period covers the gap once the node is back, and nothing is lost or counted twice.
            blank = self._last_seen._replace(time_ns=now_ns, runtimes=(), devices=(), host=None)
            return Look(self._report(blank, due, error), None, error, began_seconds, self._config)
        report = self._report(snapshot, due, "")
        for group in due:
            self._before[group] = _readable(snapshot, self._before[group])
        self._last_seen = _readable(snapshot, self._last_seen)
        return Look(report, snapshot, "", began_seconds, self._config)

    def _report(self, snapshot: Snapshot, due: list[_Group], error: str) -> out.Report:
        known: dict[int, tuple[Rates, frozenset[tuple[int, int]]]] = {}
        since: dict[_Group, tuple[Rates, frozenset[tuple[int, int]]]] = {}
        for group in due:
            before = self._before[group]
            if id(before) not in known:
                known[id(before)] = rates(before, snapshot), frozenset(r.key for r in before.runtimes if r.error)
            since[group] = known[id(before)]
        data = (self._runtime(runtime, snapshot, since) for runtime in snapshot.runtimes)
        system = _system({g.metric: rate for g, (rate, _) in since.items() if g.rule == -1}, snapshot, error)
        return out.Report(
            [entry for entry in data if entry is not None],
            system,
            groups.instance_info(self._last_seen if error else snapshot),
            groups.hardware_info(self._last_seen if error else snapshot, error),
        )

    def _runtime(
        self, runtime: Runtime, snapshot: Snapshot, since: dict[_Group, tuple[Rates, frozenset[tuple[int, int]]]]
    ) -> out.RuntimeData | None:
        """Return the due groups of a runtime; if several rules have the same group, the first matching rule applies."""
        report = out.RuntimeReport()
        seen: set[RuntimeMetric] = set()
        for number, rule in enumerate(self._config.runtimes):
            if not _matches(rule, runtime):
                continue
            for metric in rule.periods.keys() - seen:
                seen.add(metric)
                found = since.get(_Group(number, metric))
                if found is not None:
                    _fill(report, metric, runtime, snapshot, found[0], new=runtime.key in found[1])
        if report == _NOTHING:
            return None
        return out.RuntimeData(runtime.pid, runtime.tag, runtime.address, runtime.error, report)


_NOTHING = out.RuntimeReport()


def _readable(snapshot: Snapshot, before: Snapshot) -> Snapshot:
    """Return ``snapshot`` with each unreadable runtime replaced by its last readable state, as base for counting."""
    if not any(runtime.error for runtime in snapshot.runtimes):
        return snapshot
    earlier = {runtime.key: runtime for runtime in before.runtimes}
    return snapshot._replace(
        runtimes=tuple(earlier.get(runtime.key, runtime) if runtime.error else runtime for runtime in snapshot.runtimes)
    )


def _fill(
    report: out.RuntimeReport, metric: RuntimeMetric, runtime: Runtime, snapshot: Snapshot, since: Rates, *, new: bool
) -> None:
    """Set one group; ``new``: there are no earlier figures to subtract, although the runtime is not new."""
    rate = since.runtimes[runtime.key]
    now = runtime
    if new and not runtime.error:
        runtime = runtime._replace(error=NO_EARLIER_FIGURES)
        rate = rate._replace(executions=None, errors=None, total_latency=None, device_latency=None)
    match metric:
        case RuntimeMetric.NEURONCORE_COUNTERS:
            report.neuroncore_counters = groups.neuroncore_counters(runtime, rate)
        case RuntimeMetric.EXECUTION_STATS:
            report.execution_stats = groups.execution_stats(runtime, rate)
        case RuntimeMetric.MEMORY_USED:
            report.memory_used = groups.memory_used(now, rate)
        case RuntimeMetric.VCPU_USAGE:
            vcpus = len(snapshot.host.vcpus) if snapshot.host is not None else 0
            report.neuron_runtime_vcpu_usage = groups.runtime_vcpu_usage(runtime, rate, vcpus)


def metrics_of(runtime: Runtime, config: Config) -> set[RuntimeMetric]:
    """Return the groups that the configuration has for a runtime."""
    return {metric for rule in config.runtimes if _matches(rule, runtime) for metric in rule.periods}


def _matches(rule: RuntimeRule, runtime: Runtime) -> bool:
    if rule.address is not None and normal_address(runtime.address) != normal_address(rule.address):
        return False
    return rule.tag_filter is None or rule.tag_filter.search(runtime.tag) is not None


def _system(due: dict[RuntimeMetric | SystemMetric | None, Rates], snapshot: Snapshot, error: str) -> out.SystemData:
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
