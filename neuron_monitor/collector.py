"""When which group is due, and what a report of the due groups holds."""

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
    """A metric group of a rule (``rule`` -1: of the system; -2: no group, a report of what is in every one)."""

    rule: int
    metric: RuntimeMetric | SystemMetric | None


NO_EARLIER_FIGURES = "its earlier figures could not be read, so nothing is known of this period"


class Look(NamedTuple):
    """One look at the node.

    Attributes:
        report: what is reported of it.
        snapshot: what was seen; ``None`` when the node could not be read.
        error: why it could not be read, "" when it could.
        began_seconds: monotonic time at which looking began.
        compat: the release in whose form lines are written; ``None``: our own.
    """

    report: out.Report
    snapshot: Snapshot | None
    error: str
    began_seconds: float
    compat: Compat | None = None


class Collector:
    """Reports on one schedule: each group's deadlines are multiples of its period from the start, so none drifts."""

    def __init__(self, source: Source, config: Config, start_ns: int) -> None:
        """Look at the node once: the first report covers what happened since.

        Args:
            source: where snapshots come from.
            config: what to report.
            start_ns: CLOCK_MONOTONIC that all deadlines count from.

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
        """Go on with another configuration from now; a group that stays goes on from where its last report ended."""
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
        """CLOCK_MONOTONIC at which the next group is due."""
        return min(self._start_ns + self._ticks[group] * period for group, period in self._periods_ns.items())

    def collect(self, now_ns: int, *, everything: bool = False) -> Look:
        """The report of all groups that are due; one that is late skips to its next deadline, it never bursts.

        Args:
            now_ns: CLOCK_MONOTONIC.
            everything: take every group for due.
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
            # Nothing is known but who we are. The figures before stay those of the last good look: when the node is
            # back, the period covers the gap and nothing is lost or counted twice.
            blank = self._last_seen._replace(time_ns=now_ns, runtimes=(), devices=(), host=None)
            return Look(self._report(blank, due, error), None, error, began_seconds, self._config.compat)
        report = self._report(snapshot, due, "")
        for group in due:
            self._before[group] = _readable(snapshot, self._before[group])
        self._last_seen = _readable(snapshot, self._last_seen)
        return Look(report, snapshot, "", began_seconds, self._config.compat)

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
        """The due groups of a runtime; of rules that ask for the same group, the first that matches it counts."""
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
    """``snapshot`` with each runtime that could not be read as it was when it last could, to go on counting from."""
    if not any(runtime.error for runtime in snapshot.runtimes):
        return snapshot
    earlier = {runtime.key: runtime for runtime in before.runtimes}
    return snapshot._replace(
        runtimes=tuple(earlier.get(runtime.key, runtime) if runtime.error else runtime for runtime in snapshot.runtimes)
    )


def _fill(
    report: out.RuntimeReport, metric: RuntimeMetric, runtime: Runtime, snapshot: Snapshot, since: Rates, *, new: bool
) -> None:
    """Set one group; ``new``: there are no earlier figures to subtract, though the runtime is not new."""
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
