"""Metrics of the node that this process reads: cumulative counters and histograms from its snapshots."""

from __future__ import annotations

import time
from collections.abc import Sequence

from msgspec import UNSET

from neuron_monitor import report as out
from neuron_monitor.collector import Look, metrics_of
from neuron_monitor.config import Config
from neuron_monitor.config_names import RuntimeMetric, SystemMetric
from neuron_monitor.core_users import CoreUsers, UserSource
from neuron_monitor.prometheus.seen import ECC_EVENTS, Counters, NodeSeen, Problem, RuntimeSeen, merge_groups
from runtime_core.telemetry.health import HealthWatch, phrase
from runtime_core.telemetry.snapshot import Device, Runtime, Snapshot


class NodeFeed:
    """Converts results of readings to the input of the metrics.

    A group that is not due keeps its latest state, unless a new configuration no longer has it.
    """

    def __init__(self, users: Sequence[UserSource] = ()) -> None:
        """Create a converter; ``users``: sources of the pods and jobs that use the cores."""
        self._users = users
        self._config: Config | None = None
        self._groups: dict[tuple[int, int], out.RuntimeReport] = {}
        self._vcpu: out.VcpuUsage | None = None
        self._memory: out.MemoryInfo | None = None
        self._counts_ecc = False
        self._runtimes_seen: tuple[RuntimeSeen, ...] = ()
        self._since_seconds = time.time()
        self._counted: dict[int, tuple[int | None, ...]] = {}
        self._health = HealthWatch()

    def take(self, look: Look) -> NodeSeen:
        """Process a result, and return the current state."""
        report, snapshot = look.report, look.snapshot
        system = report.system_data
        if system.vcpu_usage is not UNSET:
            self._vcpu = system.vcpu_usage
        if system.memory_info is not UNSET:
            self._memory = system.memory_info
        self._counts_ecc |= system.neuron_hw_counters is not UNSET
        if look.config is not self._config and snapshot is not None:
            self._forget(look.config, snapshot)
            self._config = look.config
        if snapshot is not None:
            self._runtimes_seen = self._runtimes(report, snapshot)
        else:
            # Whether runtimes have ended is unknown until the node can be read again.
            self._runtimes_seen = tuple(runtime._replace(error=look.error) for runtime in self._runtimes_seen)
        problems: tuple[Problem, ...] = ()
        if snapshot is not None:
            problems = tuple(
                Problem(verdict.severity.name.lower(), phrase(verdict, snapshot.time_ns), verdict.runbook)
                for verdict in self._health.take(snapshot)
            )
        if snapshot is not None:
            counted = {device.index: _counted(device) for device in snapshot.devices}
            if any(_went_back(self._counted.get(index), counts) for index, counts in counted.items()):
                # The node was set up anew: its counters began again.
                self._since_seconds = time.time()
            self._counted = counted
        ecc = {}
        if snapshot is not None and self._counts_ecc:
            ecc = {d.index: tuple(getattr(d.ecc, event) for event in ECC_EVENTS) for d in snapshot.devices}
        return NodeSeen(
            report.instance_info,
            report.neuron_hardware_info,
            self._runtimes_seen,
            self._vcpu,
            self._memory,
            ecc,
            self._since_seconds,
            snapshot.devices if snapshot is not None else (),
            {core: (r.tag, r.pid) for core, r in snapshot.core_owner.items()} if snapshot is not None else {},
            time.monotonic(),
            look.error,
            *self._core_users(report, snapshot),
            problems,
            _unclear(snapshot),
        )

    def _forget(self, config: Config, snapshot: Snapshot) -> None:
        """Forget the groups that a new configuration does not have; without a report they would never change again."""
        if SystemMetric.VCPU_USAGE not in config.system:
            self._vcpu = None
        if SystemMetric.MEMORY_INFO not in config.system:
            self._memory = None
        self._counts_ecc &= SystemMetric.HW_COUNTERS in config.system
        for runtime in snapshot.runtimes:
            known = self._groups.get(runtime.key)
            wanted = metrics_of(runtime, config)
            if known is not None and not wanted:
                del self._groups[runtime.key]
            elif known is not None:
                for metric in set(RuntimeMetric) - wanted:
                    setattr(known, metric, UNSET)

    def _core_users(self, report: out.Report, snapshot: Snapshot | None) -> CoreUsers:
        pods: dict[int, out.CoreUser] = {}
        jobs: dict[int, str] = {}
        if snapshot is not None:
            for source in self._users:
                found = source.users(snapshot, report.neuron_hardware_info)
                pods.update(found.pods)
                jobs.update(found.jobs)
        return CoreUsers(pods, jobs)

    def _runtimes(self, report: out.Report, snapshot: Snapshot) -> tuple[RuntimeSeen, ...]:
        entries = {entry.pid: entry for entry in report.neuron_runtime_data}
        before, self._groups = self._groups, {}
        for runtime in snapshot.runtimes:
            entry = entries.get(runtime.pid)
            known = before.get(runtime.key)
            if entry is None and known is None:
                continue
            groups = self._groups[runtime.key] = known or out.RuntimeReport()
            if entry is not None:
                merge_groups(groups, entry.report)
        offset_ns = snapshot.wall_time_ns - snapshot.time_ns
        return tuple(
            _seen(runtime, self._groups[runtime.key], offset_ns)
            for runtime in snapshot.runtimes
            if runtime.key in self._groups
        )


def _counted(device: Device) -> tuple[int | None, ...]:
    return (*device.ecc, device.link_east_bytes, device.link_west_bytes)


def _went_back(before: Sequence[int | None] | None, now: Sequence[int | None]) -> bool:
    pairs = zip(before or (), now, strict=False)
    return any(old is not None and new is not None and new < old for old, new in pairs)


def _unclear(snapshot: Snapshot | None) -> frozenset[int]:
    if snapshot is None:
        return frozenset()
    unreadable = [runtime for runtime in snapshot.runtimes if runtime.error]
    return frozenset(core for d in snapshot.devices for core in d.core_ids for r in unreadable if r.uses(d))


def _seen(runtime: Runtime, groups: out.RuntimeReport, offset_ns: int) -> RuntimeSeen:
    counters = Counters()
    if groups.execution_stats is not UNSET:
        counters = Counters(runtime.errors, runtime.executions, runtime.total_latency)
    since_seconds = (runtime.start_ns + offset_ns) / 1e9
    return RuntimeSeen(runtime.key, runtime.tag, since_seconds, groups, counters, runtime.error)
