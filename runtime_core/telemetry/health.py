"""What is wrong with a node, where, and since when: one set of rules for every tool that shows it.

A :class:`HealthWatch` takes snapshots of one node and returns verdicts; :func:`judge` does so for two snapshots.
A figure that the source cannot give is never taken for a good one or a bad one: the rule that needs it stays silent.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from runtime_core.telemetry.rates import Rates
from runtime_core.telemetry.snapshot import CoreUse, Device, ErrorCounts, Runtime, Snapshot

RUNBOOKS = "docs/how-to/runbooks.md"
"""Every verdict names a section of it."""

MEMORY_NEARLY_FULL_RATIO = 0.9
OLDEST_DRIVER = 2
"""Major version of the Neuron driver that Runtime 2.x requires."""

_SECOND_NS = 1_000_000_000
_HUNG_NS = 2 * _SECOND_NS
_TIMED_OUT_NS = _SECOND_NS
"""A core that is busy for so long, while its executions time out and none ends, is hung."""

_PATIENCE = 10
"""A core is not hung before it has worked so many times the usual (median) execution of its runtime."""

_BUSY_RATIO = 0.95
_RATE_WINDOW_NS = 10 * _SECOND_NS
_SLOW_FACTOR = 2.0
_LEAST_EXECUTIONS = 5
_USUAL_FROM_EXECUTIONS = 50
_USUAL_SHARE = 0.05


class Severity(enum.IntEnum):
    """How soon somebody should look."""

    NOTICE = 1
    WARNING = 2
    CRITICAL = 3


class VerdictKind(enum.StrEnum):
    """What can be wrong."""

    CORE_HUNG = "core-hung"
    DEVICE_LOST = "device-lost"
    LINK_DOWN = "link-down"
    ECC_UNCORRECTED = "ecc-uncorrected"
    DRIVER_MISSING = "driver-missing"
    TIMEOUTS = "timeouts"
    ERRORS = "errors"
    LOADS_FAIL = "loads-fail"
    MEMORY_NEARLY_FULL = "memory-nearly-full"
    RUNTIME_UNREADABLE = "runtime-unreadable"
    DRIVER_OLD = "driver-old"
    LINK_SLOW = "link-slow"
    ECC_CORRECTED = "ecc-corrected"
    SLOW = "slow"


class Place(NamedTuple):
    """Where it is wrong; ``None`` or "" for what does not apply.

    Attributes:
        device: Neuron Device index.
        core: global NeuronCore index.
        link: the two devices that it joins, the sending one first.
        pid, tag: the runtime that suffers from it or causes it.
    """

    device: int | None = None
    core: int | None = None
    link: tuple[int, int] | None = None
    pid: int | None = None
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that is wrong.

    Attributes:
        since_ns: node clock (as ``Snapshot.time_ns``); ``None``: before the first snapshot, nobody knows when.
        amount: events so far, events per second, a ratio or a factor, as ``text`` says; ``None`` where there is none.
        text: a few words, without the runtime and the time; see :func:`phrase`.
        runbook: the fragment of its section in ``docs/how-to/runbooks.md``.
        detail: the class of errors, or why a runtime cannot be read.
    """

    kind: VerdictKind
    severity: Severity
    where: Place
    since_ns: int | None
    amount: float | None
    text: str
    runbook: str
    detail: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        """What stays the same as long as the same thing is wrong."""
        return self.kind, self.where.device, self.where.core, self.where.link, self.where.pid, _class_of(self)


def _class_of(verdict: Verdict) -> str:
    return verdict.detail if verdict.kind is VerdictKind.ERRORS else ""


def format_seconds(seconds: float) -> str:
    """A span of time, short: ``14 s``, ``3 min``, ``2 h``."""
    whole = max(0, round(seconds))
    for size, unit in ((1, "s"), (60, "min"), (3600, "h"), (86400, "d")):
        if whole < size * (60 if size < 3600 else 48):
            return f"{whole // size} {unit}"
    return f"{whole // 86400} d"


def phrase(verdict: Verdict, now_ns: int) -> str:
    """The verdict in a few words, with how long it lasts and who suffers: ``nc20 hung 14 s (batch-embed)``."""
    text = verdict.text
    if RULES[verdict.kind].lasts and verdict.since_ns is not None:
        text += f" {format_seconds((now_ns - verdict.since_ns) / _SECOND_NS)}"
    tag = verdict.where.tag
    return f"{text} ({tag})" if tag and not text.startswith(tag) else text


class Rule(NamedTuple):
    """How one kind of verdict is kept and told.

    Attributes:
        hold_seconds: how long it stands after it was last true: an event is not over at the next look.
        sums: "total": ``amount`` is the events since it began; "rate": events per second; "": it is the last figure.
        lasts: whether its duration is worth telling.
        text: the words, from the place, the amount and the detail.
    """

    severity: Severity
    hold_seconds: float
    runbook: str
    sums: str
    lasts: bool
    text: Callable[[Place, float, str], str]


def _count(amount: float, one: str, many: str) -> str:
    return f"{amount:.0f} {one if round(amount) == 1 else many}"


def _rate(amount: float) -> str:
    return f"{amount:.3g}" if amount < 1000 else f"{amount:.0f}"


def _link(place: Place) -> str:
    one, other = place.link or (0, 0)
    return f"link ND{one}-ND{other}"


def _name(place: Place) -> str:
    return place.tag or f"pid {place.pid}"


_DAY_SECONDS = 86400.0
RULES: dict[VerdictKind, Rule] = {
    VerdictKind.CORE_HUNG: Rule(
        Severity.CRITICAL, 0.0, "neuroncorehung", "", True, lambda p, a, d: f"nc{p.core} hung"
    ),
    VerdictKind.DEVICE_LOST: Rule(
        Severity.CRITICAL, 0.0, "neurondevicelost", "", True, lambda p, a, d: f"ND{p.device} lost"
    ),
    VerdictKind.LINK_DOWN: Rule(
        Severity.CRITICAL, 0.0, "neuronlinkdown", "", True, lambda p, a, d: f"{_link(p)} down"
    ),
    VerdictKind.ECC_UNCORRECTED: Rule(
        Severity.CRITICAL, 900.0, "neuroneccuncorrected", "total", False,
        lambda p, a, d: f"ND{p.device} ECC uncorrected {a:.0f}",
    ),
    VerdictKind.DRIVER_MISSING: Rule(
        Severity.CRITICAL, 0.0, "neurondrivermissing", "", True, lambda p, a, d: "no Neuron driver"
    ),
    VerdictKind.TIMEOUTS: Rule(
        Severity.WARNING, 10.0, "neuronerrorbudgetburnsfast", "total", False,
        lambda p, a, d: f"{_name(p)}: {_count(a, 'timeout', 'timeouts')}",
    ),
    VerdictKind.ERRORS: Rule(
        Severity.WARNING, 10.0, "neuronerrorbudgetburnsfast", "rate", False,
        lambda p, a, d: f"{_name(p)}: {_rate(a)} {d} errors/s",
    ),
    VerdictKind.LOADS_FAIL: Rule(
        Severity.WARNING, 60.0, "neuronloadsfail", "total", False,
        lambda p, a, d: f"nc{p.core}: {_count(a, 'model load', 'model loads')} failed",
    ),
    VerdictKind.MEMORY_NEARLY_FULL: Rule(
        Severity.WARNING, 0.0, "neurondevicememorynearlyfull", "", False,
        lambda p, a, d: f"ND{p.device} memory {a * 100:.0f}% full",
    ),
    VerdictKind.RUNTIME_UNREADABLE: Rule(
        Severity.WARNING, 0.0, "neuronruntimeunreadable", "", True, lambda p, a, d: f"{_name(p)} unreadable"
    ),
    VerdictKind.DRIVER_OLD: Rule(
        Severity.WARNING, 0.0, "neurondrivermissing", "", False,
        lambda p, a, d: f"driver {d} is older than {OLDEST_DRIVER}.0",
    ),
    VerdictKind.LINK_SLOW: Rule(
        Severity.WARNING, 0.0, "neuronlinkdown", "", True, lambda p, a, d: f"{_link(p)} slow"
    ),
    VerdictKind.ECC_CORRECTED: Rule(
        Severity.NOTICE, 60.0, "neuronecccorrected", "total", False,
        lambda p, a, d: f"ND{p.device} ECC corrected {a:.0f}",
    ),
    VerdictKind.SLOW: Rule(
        Severity.NOTICE, 5.0, "neuronlatencyoverobjective", "", True,
        lambda p, a, d: f"{_name(p)} slow: {a:.1f}x its usual device latency",
    ),
}  # fmt: skip


class _Finding(NamedTuple):
    """What one look found, before it is put together with the looks before."""

    kind: VerdictKind
    where: Place
    amount: float = 0.0
    detail: str = ""
    severity: Severity | None = None
    since_ns: int | None = None


@dataclass(slots=True)
class _Standing:
    """A finding over the looks."""

    finding: _Finding
    since_ns: int | None
    last_ns: int
    total: float = 0.0
    recent: deque[tuple[int, float]] = field(default_factory=deque)


@dataclass(slots=True)
class _Work:
    """A core since it last got anything done, or was last idle."""

    began_ns: int
    busy_ns: float
    ended: int | None
    timeouts: int
    hung: bool = False


def _device_findings(devices: Iterable[Device], snapshot: Snapshot) -> Iterator[_Finding]:
    for device in devices:
        used, total = device.memory_used_bytes, device.memory_total_bytes
        if used is not None and total and used > total * MEMORY_NEARLY_FULL_RATIO:
            yield _Finding(VerdictKind.MEMORY_NEARLY_FULL, _owned(device, snapshot), used / total)
        for kind, ends in ((VerdictKind.LINK_DOWN, device.down_links), (VerdictKind.LINK_SLOW, device.slow_links)):
            for other in ends:
                yield _Finding(kind, _on_link(device.index, other, snapshot))


def _owned(device: Device, snapshot: Snapshot) -> Place:
    """A device, with the runtime that uses it when there is only one."""
    users = [r for r in snapshot.runtimes if r.uses(device)]
    if len(users) == 1:
        return Place(device.index, tag=users[0].tag)
    return Place(device.index)


def _on_link(one: int, other: int, snapshot: Snapshot) -> Place:
    """A link, with the runtime that has cores at both of its ends."""
    ends = [d for d in snapshot.devices if d.index in (one, other)]
    users = [r for r in snapshot.runtimes if len(ends) == 2 and all(r.uses(d) for d in ends)]
    return Place(link=(one, other), tag=users[0].tag if users else "")


def _node_findings(snapshot: Snapshot) -> Iterator[_Finding]:
    version = snapshot.driver_version
    if not snapshot.devices and not version:
        yield _Finding(VerdictKind.DRIVER_MISSING, Place())
        return
    major = version.partition(".")[0]
    if major.isascii() and major.isdigit() and int(major[:4]) < OLDEST_DRIVER:
        yield _Finding(VerdictKind.DRIVER_OLD, Place(), detail=version)
    for runtime in snapshot.runtimes:
        if runtime.error:
            # Processes that share a device of a real node are told apart by nobody: that is how it is set up.
            severity = Severity.NOTICE if runtime.devices else None
            place = Place(pid=runtime.pid, tag=runtime.tag)
            yield _Finding(VerdictKind.RUNTIME_UNREADABLE, place, detail=runtime.error, severity=severity)


def _since(after: int | None, before: int | None) -> int:
    """Events between two looks; none where either is not known, or the counter began anew."""
    return max(0, after - before) if after is not None and before is not None else 0


_UNCORRECTED = ("mem_ecc_uncorrected", "sram_ecc_uncorrected", "mem_ecc_repairable_uncorrected")


def _ecc_findings(before: Snapshot | None, after: Snapshot) -> Iterator[_Finding]:
    earlier = {d.index: d.ecc for d in before.devices} if before is not None else {}
    for device in after.devices:
        old = earlier.get(device.index)
        if before is None:
            lost = sum(getattr(device.ecc, name) or 0 for name in _UNCORRECTED)
            if lost:
                place = _owned(device, after)
                yield _Finding(VerdictKind.ECC_UNCORRECTED, place, lost, "before", Severity.WARNING)
        elif old is not None:
            for kind, fields in (
                (VerdictKind.ECC_UNCORRECTED, _UNCORRECTED),
                (VerdictKind.ECC_CORRECTED, ("mem_ecc_corrected", "sram_ecc_corrected")),
            ):
                parts = {f: _since(getattr(device.ecc, f), getattr(old, f)) for f in fields}
                if sum(parts.values()):
                    hit = {"DRAM" if name.startswith("mem") else "SRAM": None for name, n in parts.items() if n}
                    memory = " and ".join(hit)
                    yield _Finding(kind, _owned(device, after), sum(parts.values()), memory)


def _load_failures(runtime: Runtime, old: Runtime | None) -> Iterator[_Finding]:
    """Loads that failed: the driver counts them by core, and by none of the classes of executions."""
    for core, use in runtime.cores.items():
        before = old.cores.get(core) if old is not None else None
        if before is None:
            continue
        failed = sum(
            _since(getattr(use.status, name), getattr(before.status, name)) for name in ("failure", "resource_error")
        )
        if failed:
            yield _Finding(VerdictKind.LOADS_FAIL, Place(core=core, pid=runtime.pid, tag=runtime.tag), failed)
            return


def _runtime_findings(before: Snapshot | None, after: Snapshot) -> Iterator[_Finding]:
    earlier = {r.key: r for r in before.runtimes} if before is not None else {}
    for runtime in after.runtimes:
        old = earlier.get(runtime.key)
        if before is None:
            continue
        place = Place(pid=runtime.pid, tag=runtime.tag)
        timeouts = 0
        if runtime.executions is not None and (old is None or old.executions is not None):
            had = old.executions.timed_out if old is not None and old.executions is not None else 0
            timeouts = max(0, runtime.executions.timed_out - had)
            if timeouts:
                yield _Finding(VerdictKind.TIMEOUTS, place, timeouts)
        if runtime.errors is not None and (old is None or old.errors is not None):
            had_errors = old.errors if old is not None and old.errors is not None else ErrorCounts()
            for name, now, then in zip(ErrorCounts._fields, runtime.errors, had_errors, strict=True):
                # A timeout counts as a generic error too, and is told already.
                events = max(0, now - then) - (timeouts if name == "generic" else 0)
                if events > 0:
                    yield _Finding(VerdictKind.ERRORS, place, events, name)
        yield from _load_failures(runtime, old)


def _counts(use: CoreUse, runtime: Runtime | None) -> tuple[int | None, int]:
    """Executions that ended on a core, for good or not, and those that timed out; the runtime's where no core's are."""
    timeouts = use.status.timeout
    if use.inference_count is not None:
        return use.inference_count - (timeouts or 0), timeouts or 0
    if use.status.success is not None:
        return use.status.success, timeouts or 0
    if runtime is not None and runtime.executions is not None:
        return sum(runtime.executions) - runtime.executions.timed_out, runtime.executions.timed_out
    return None, 0


class HealthWatch:
    """The health of one node, over as many looks as there are."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._reset()

    def _reset(self) -> None:
        self._before: Snapshot | None = None
        self._work: dict[tuple[tuple[int, int], int], _Work] = {}
        self._standing: dict[tuple[object, ...], _Standing] = {}
        self._devices: dict[int, None] = {}
        self._usual_ns: dict[tuple[int, int], float] = {}

    def take(self, snapshot: Snapshot, rates: Rates | None = None) -> tuple[Verdict, ...]:
        """The verdicts of now, the worst and oldest first.

        Args:
            snapshot: a look later than the last one; one from before it (a recording that was set back) begins anew.
            rates: of the time since the last look, for a source whose snapshots do not count busy time.
        """
        before = self._before
        if before is not None and snapshot.time_ns < before.time_ns:
            self._reset()
            before = None
        now_ns = snapshot.time_ns
        findings = [*_node_findings(snapshot), *self._lost(snapshot), *_device_findings(snapshot.devices, snapshot)]
        findings += [*_ecc_findings(before, snapshot), *_runtime_findings(before, snapshot)]
        if before is not None and now_ns > before.time_ns:
            findings += self._slow(before, snapshot)
        findings += self._hung(before, snapshot, rates)
        self._before = snapshot
        for finding in _causes(findings, snapshot):
            self._stand(finding, now_ns, before.time_ns if before is not None else now_ns)
        return self._verdicts(snapshot)

    def _lost(self, snapshot: Snapshot) -> Iterator[_Finding]:
        present = {device.index for device in snapshot.devices}
        if not present and not snapshot.driver_version:
            return
        self._devices.update(dict.fromkeys((*present, *snapshot.missing_devices)))
        for index in self._devices:
            if index not in present:
                yield _Finding(VerdictKind.DEVICE_LOST, Place(index))

    def _hung(self, before: Snapshot | None, after: Snapshot, rates: Rates | None) -> Iterator[_Finding]:
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
                self._work[key] = _Work(after.time_ns, busy_ns, ended, timeouts)
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
                # The usual time is worth finding only now; executions that timed out do not move a median.
                if timeouts == work.timeouts and lasted_ns < _PATIENCE * _median_ns(runtime):
                    continue
                work.hung = True
            place = Place(_device_of(core, after), core)
            if runtime is not None:
                place = place._replace(pid=runtime.pid, tag=runtime.tag)
            yield _Finding(VerdictKind.CORE_HUNG, place, since_ns=work.began_ns)

    def _slow(self, before: Snapshot, after: Snapshot) -> Iterator[_Finding]:
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
            # Means are exact and cheap, but one execution that timed out spoils them.
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
                yield _Finding(VerdictKind.SLOW, place, mean_ns / max(1.0, usual[runtime.key]))
            else:
                usual[runtime.key] += (mean_ns - usual[runtime.key]) * _USUAL_SHARE

    def _stand(self, finding: _Finding, now_ns: int, before_ns: int) -> None:
        rule = RULES[finding.kind]
        detail = finding.detail if finding.kind is VerdictKind.ERRORS else ""
        where = finding.where
        key = finding.kind, where.device, where.core, where.link, where.pid, detail
        standing = self._standing.get(key)
        if standing is None:
            since_ns = finding.since_ns if finding.since_ns is not None else now_ns
            standing = _Standing(finding, None if finding.detail == "before" else since_ns, now_ns)
            self._standing[key] = standing
        elif standing.finding.detail == "before":
            # An old count, and now it happens again.
            standing.since_ns, standing.total = now_ns, 0.0
        standing.finding, standing.last_ns = finding, now_ns
        if rule.sums:
            standing.total += finding.amount
        if rule.sums == "rate":
            standing.recent.append((before_ns, finding.amount))

    def _verdicts(self, snapshot: Snapshot) -> tuple[Verdict, ...]:
        now_ns = snapshot.time_ns
        pids = {r.pid for r in snapshot.runtimes}
        found = []
        for key, standing in list(self._standing.items()):
            finding, rule = standing.finding, RULES[standing.finding.kind]
            gone = finding.where.pid is not None and finding.where.pid not in pids
            if finding.detail == "before":
                standing.last_ns = now_ns
            if gone or now_ns - standing.last_ns > rule.hold_seconds * _SECOND_NS:
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
                )
            )
        order = list(VerdictKind)
        found.sort(key=lambda v: (-v.severity, order.index(v.kind), v.since_ns or 0, str(v.where)))
        return tuple(found)


def _recent_rate(standing: _Standing, now_ns: int) -> float:
    recent = standing.recent
    while len(recent) > 1 and now_ns - recent[0][0] > _RATE_WINDOW_NS:
        recent.popleft()
    return sum(count for _, count in recent) * _SECOND_NS / max(1, now_ns - recent[0][0])


def _used_cores(snapshot: Snapshot) -> Iterator[tuple[Runtime | None, int, CoreUse]]:
    """Every core that somebody uses; of the driver's own counts where the source has those."""
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


_EXPLAIN_HARDWARE = frozenset({VerdictKind.ECC_UNCORRECTED, VerdictKind.LINK_DOWN, VerdictKind.DEVICE_LOST})


def _causes(findings: list[_Finding], snapshot: Snapshot) -> list[_Finding]:
    """Without what another finding explains: timeouts of a hung core, hardware errors of a broken part."""
    hung = {f.where.pid for f in findings if f.kind is VerdictKind.CORE_HUNG}
    broken: set[int] = set()
    for finding in findings:
        if finding.kind in _EXPLAIN_HARDWARE and finding.detail != "before":
            broken |= set(finding.where.link or ()) | {finding.where.device if finding.where.device is not None else -1}
    devices = {core: d.index for d in snapshot.devices for core in d.core_ids}
    suffering = {
        r.pid
        for r in snapshot.runtimes
        if broken and (any(devices.get(core) in broken for core in r.cores) or -1 in broken or _off(r, devices))
    }
    return [
        f
        for f in findings
        if not (f.kind is VerdictKind.TIMEOUTS and f.where.pid in hung)
        and not (f.kind is VerdictKind.ERRORS and f.detail == "hardware" and f.where.pid in suffering)
    ]


def _off(runtime: Runtime, devices: dict[int, int]) -> bool:
    """Whether a core of the runtime belongs to a device that is not there."""
    return any(core not in devices for core in runtime.cores)


def judge(before: Snapshot | None, after: Snapshot) -> tuple[Verdict, ...]:
    """The verdicts of two snapshots of one node; of one alone only what a single look can show.

    A core is found hung only from two seconds between them on (one, while its executions time out).
    """
    watch = HealthWatch()
    if before is not None:
        watch.take(before)
    return watch.take(after)
