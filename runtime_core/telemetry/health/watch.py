"""Verdicts over the snapshots of one node: findings are held, summed and timed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from runtime_core.telemetry.health.findings import (
    Finding,
    causes,
    device_findings,
    ecc_findings,
    node_findings,
    runtime_findings,
)
from runtime_core.telemetry.health.rules import RULES, SECOND_NS, Place, Verdict, VerdictKind
from runtime_core.telemetry.rates import Rates
from runtime_core.telemetry.snapshot import CoreUse, Runtime, Snapshot

_HUNG_NS = 2 * SECOND_NS

_TIMED_OUT_NS = SECOND_NS
"""A core is hung if it is busy for this time while its executions time out and none ends."""

_PATIENCE = 10
"""A core is not hung before it has worked this many times the usual (median) execution of its runtime."""

_BUSY_RATIO = 0.95

_RATE_WINDOW_NS = 10 * SECOND_NS

_SLOW_FACTOR = 2.0

_LEAST_EXECUTIONS = 5

_USUAL_FROM_EXECUTIONS = 50

_USUAL_SHARE = 0.05


@dataclass(slots=True)
class _Standing:
    """A finding over several snapshots."""

    finding: Finding
    since_ns: int | None
    last_ns: int
    older: bool = False
    total: float = 0.0
    recent: deque[tuple[int, float]] = field(default_factory=deque)


@dataclass(slots=True)
class _Work:
    """A core since its last completed execution, or since it was last idle.

    ``older``: since an unknown time before ``began_ns``, because the first snapshot is not newer than that.
    """

    began_ns: int
    busy_ns: float
    ended: int | None
    timeouts: int
    older: bool = False
    hung: bool = False


def _counts(use: CoreUse, runtime: Runtime | None) -> tuple[int | None, int]:
    """Ended executions of a core, and those that timed out; of the runtime if the core's are unknown."""
    timeouts = use.status.timeout
    if use.inference_count is not None:
        return use.inference_count - (timeouts or 0), timeouts or 0
    if use.status.success is not None:
        return use.status.success, timeouts or 0
    if runtime is not None and runtime.executions is not None:
        return sum(runtime.executions) - runtime.executions.timed_out, runtime.executions.timed_out
    return None, 0


class HealthWatch:
    """The health of one node over its snapshots."""

    def __init__(self) -> None:
        """Start without history."""
        self._reset()

    def _reset(self) -> None:
        self._before: Snapshot | None = None
        self._work: dict[tuple[tuple[int, int], int], _Work] = {}
        self._standing: dict[tuple[object, ...], _Standing] = {}
        self._devices: dict[int, None] = {}
        self._usual_ns: dict[tuple[int, int], float] = {}

    def take(self, snapshot: Snapshot, rates: Rates | None = None) -> tuple[Verdict, ...]:
        """The current verdicts, the worst and oldest first.

        Args:
            snapshot: newer than the last one; an older one (of a recording that was rewound) restarts the watch.
            rates: of the time since the last snapshot, for a source whose snapshots do not count busy time.
        """
        before = self._before
        if before is not None and snapshot.time_ns < before.time_ns:
            self._reset()
            before = None
        now_ns = snapshot.time_ns
        findings = [*node_findings(snapshot), *self._lost(snapshot), *device_findings(snapshot.devices, snapshot)]
        findings += [*ecc_findings(before, snapshot), *runtime_findings(before, snapshot)]
        if before is not None and now_ns > before.time_ns:
            findings += self._slow(before, snapshot)
        findings += self._hung(before, snapshot, rates)
        self._before = snapshot
        for finding in causes(findings, snapshot):
            self._stand(finding, now_ns, before)
        return self._verdicts(snapshot)

    def _lost(self, snapshot: Snapshot) -> Iterator[Finding]:
        present = {device.index for device in snapshot.devices}
        if not present and not snapshot.driver_version:
            return
        self._devices.update(dict.fromkeys((*present, *snapshot.missing_devices)))
        for index in self._devices:
            if index not in present:
                yield Finding(VerdictKind.DEVICE_LOST, Place(index))

    def _hung(self, before: Snapshot | None, after: Snapshot, rates: Rates | None) -> Iterator[Finding]:
        busy_ratios = rates.core_utilization() if rates is not None else {}
        interval_ns = after.time_ns - before.time_ns if before is not None else 0
        known = self._work
        self._work = {}
        for runtime, core, use in _used_cores(after):
            key = (runtime.key if runtime is not None else (0, 0)), core
            ended, timeouts = _counts(use, runtime)
            work = known.get(key)
            busy_ns: float | None = use.busy_ns
            if busy_ns is None and core in busy_ratios:
                busy_ns = (work.busy_ns if work is not None else 0.0) + busy_ratios[core] * interval_ns
            if busy_ns is None or ended is None:
                continue
            if work is None:
                self._work[key] = _Work(after.time_ns, busy_ns, ended, timeouts, older=before is None)
                continue
            lasted_ns = after.time_ns - work.began_ns
            busy = busy_ns - work.busy_ns if use.busy_ns is not None else busy_ns
            if ended != work.ended or busy < lasted_ns * _BUSY_RATIO:
                self._work[key] = _Work(after.time_ns, use.busy_ns or 0.0, ended, timeouts)
                continue
            if use.busy_ns is None:
                work.busy_ns = busy_ns
            self._work[key] = work
            if not work.hung:
                patience_ns = _TIMED_OUT_NS if timeouts > work.timeouts else _HUNG_NS
                if lasted_ns < patience_ns:
                    continue
                # Compute the usual time only now; executions that timed out do not change a median.
                if timeouts == work.timeouts and lasted_ns < _PATIENCE * _median_ns(runtime):
                    continue
                work.hung = True
            place = Place(_device_of(core, after), core)
            if runtime is not None:
                place = place._replace(pid=runtime.pid, tag=runtime.tag)
            yield Finding(VerdictKind.CORE_HUNG, place, since_ns=work.began_ns, older=work.older)

    def _slow(self, before: Snapshot, after: Snapshot) -> Iterator[Finding]:
        earlier = {r.key: r for r in before.runtimes}
        usual = {r.key: self._usual_ns[r.key] for r in after.runtimes if r.key in self._usual_ns}
        self._usual_ns = usual
        for runtime in after.runtimes:
            old = earlier.get(runtime.key)
            if old is None or old.executions is None or runtime.executions is None:
                continue
            if old.device_latency is None or runtime.device_latency is None:
                continue
            done = runtime.executions.completed - old.executions.completed
            ended = sum(runtime.executions) - sum(old.executions)
            # Means are exact and cheap, but one execution that timed out distorts them.
            if done < _LEAST_EXECUTIONS or ended != done:
                continue
            mean_ns = (runtime.device_latency.sum_ns - old.device_latency.sum_ns) / done
            if runtime.key not in usual:
                if old.executions.completed >= _USUAL_FROM_EXECUTIONS and sum(old.executions) == old.executions[0]:
                    usual[runtime.key] = old.device_latency.sum_ns / old.executions.completed
                elif done >= _USUAL_FROM_EXECUTIONS:
                    usual[runtime.key] = mean_ns
                continue
            if mean_ns > usual[runtime.key] * _SLOW_FACTOR:
                place = Place(pid=runtime.pid, tag=runtime.tag)
                yield Finding(VerdictKind.SLOW, place, mean_ns / max(1.0, usual[runtime.key]))
            else:
                usual[runtime.key] += (mean_ns - usual[runtime.key]) * _USUAL_SHARE

    def _stand(self, finding: Finding, now_ns: int, before: Snapshot | None) -> None:
        rule = RULES[finding.kind]
        detail = finding.detail if finding.kind is VerdictKind.ERRORS else ""
        where = finding.where
        key = finding.kind, where.device, where.core, where.link, where.pid, detail
        standing = self._standing.get(key)
        if standing is None:
            since_ns, older = finding.since_ns, finding.older
            if since_ns is None:
                since_ns, older = now_ns, before is None
            standing = _Standing(finding, None if finding.detail == "before" else since_ns, now_ns, older)
            self._standing[key] = standing
        elif standing.finding.detail == "before":
            # An old count that has increased now.
            standing.since_ns, standing.total = now_ns, 0.0
        standing.finding, standing.last_ns = finding, now_ns
        if rule.sums:
            standing.total += finding.amount
        if rule.sums == "rate":
            standing.recent.append((before.time_ns if before is not None else now_ns, finding.amount))

    def _verdicts(self, snapshot: Snapshot) -> tuple[Verdict, ...]:
        now_ns = snapshot.time_ns
        pids = {r.pid for r in snapshot.runtimes}
        found = []
        for key, standing in list(self._standing.items()):
            finding, rule = standing.finding, RULES[standing.finding.kind]
            gone = finding.where.pid is not None and finding.where.pid not in pids
            if finding.detail == "before":
                standing.last_ns = now_ns
            if gone or now_ns - standing.last_ns > rule.hold_seconds * SECOND_NS:
                del self._standing[key]
                continue
            amount = standing.total if rule.sums == "total" else finding.amount
            if rule.sums == "rate":
                amount = _recent_rate(standing, now_ns)
            found.append(
                Verdict(
                    finding.kind,
                    finding.severity or rule.severity,
                    finding.where,
                    standing.since_ns,
                    amount or None,
                    rule.text(finding.where, amount, finding.detail),
                    rule.runbook,
                    "" if finding.detail == "before" else finding.detail,
                    standing.older,
                )
            )
        order = list(VerdictKind)
        found.sort(key=lambda v: (-v.severity, order.index(v.kind), v.since_ns or 0, str(v.where)))
        return tuple(found)


def _recent_rate(standing: _Standing, now_ns: int) -> float:
    recent = standing.recent
    while len(recent) > 1 and now_ns - recent[0][0] > _RATE_WINDOW_NS:
        recent.popleft()
    return sum(count for _, count in recent) * SECOND_NS / max(1, now_ns - recent[0][0])


def _used_cores(snapshot: Snapshot) -> Iterator[tuple[Runtime | None, int, CoreUse]]:
    """Every core in use; with the driver's own counts if the source has them."""
    owners = snapshot.core_owner
    counted = {core: use for device in snapshot.devices for core, use in device.cores.items()}
    for core, use in counted.items():
        yield owners.get(core), core, use
    for core, runtime in owners.items():
        if core not in counted:
            yield runtime, core, runtime.cores[core]


def _median_ns(runtime: Runtime | None) -> float:
    if runtime is None or runtime.device_latency is None:
        return 0.0
    return runtime.device_latency.quantile_ns(0.5) or 0.0


def _device_of(core: int, snapshot: Snapshot) -> int | None:
    return next((d.index for d in snapshot.devices if core in d.core_ids), None)


def judge(before: Snapshot | None, after: Snapshot) -> tuple[Verdict, ...]:
    """The verdicts of two snapshots of one node; without ``before`` only those that one snapshot shows.

    A hung core is found only if they are at least two seconds apart (one, while its executions time out).
    """
    watch = HealthWatch()
    if before is not None:
        watch.take(before)
    return watch.take(after)
