"""The problems that one snapshot, or two in a row, show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from runtime_core.telemetry.health.rules import MEMORY_NEARLY_FULL_RATIO, OLDEST_DRIVER, Place, Severity, VerdictKind
from runtime_core.telemetry.snapshot import Device, ErrorCounts, Runtime, Snapshot


class Finding(NamedTuple):
    """A problem in one snapshot, before it is combined with those of earlier snapshots."""

    kind: VerdictKind
    where: Place
    amount: float = 0.0
    detail: str = ""
    severity: Severity | None = None
    since_ns: int | None = None
    older: bool = False


def device_findings(devices: Iterable[Device], snapshot: Snapshot) -> Iterator[Finding]:
    """Full memory, and links that are down or slow."""
    for device in devices:
        used, total = device.memory_used_bytes, device.memory_total_bytes
        if used is not None and total and used > total * MEMORY_NEARLY_FULL_RATIO:
            yield Finding(VerdictKind.MEMORY_NEARLY_FULL, _owned(device, snapshot), used / total)
        for kind, ends in ((VerdictKind.LINK_DOWN, device.down_links), (VerdictKind.LINK_SLOW, device.slow_links)):
            for other in ends:
                yield Finding(kind, _on_link(device.index, other, snapshot))


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


def node_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """A missing or old driver, and runtimes that cannot be read."""
    version = snapshot.driver_version
    if not snapshot.devices and not version:
        yield Finding(VerdictKind.DRIVER_MISSING, Place())
        return
    major = version.partition(".")[0]
    if major.isascii() and major.isdigit() and int(major[:4]) < OLDEST_DRIVER:
        yield Finding(VerdictKind.DRIVER_OLD, Place(), detail=version)
    for runtime in snapshot.runtimes:
        if runtime.error:
            # Processes that share a device of a real node cannot be distinguished: a limit of the setup, not a problem.
            severity = Severity.NOTICE if runtime.devices else None
            place = Place(pid=runtime.pid, tag=runtime.tag)
            yield Finding(VerdictKind.RUNTIME_UNREADABLE, place, detail=runtime.error, severity=severity)


def _since(after: int | None, before: int | None) -> int:
    """Events between two snapshots; 0 if either count is unknown or the counter restarted."""
    return max(0, after - before) if after is not None and before is not None else 0


_UNCORRECTED = ("mem_ecc_uncorrected", "sram_ecc_uncorrected", "mem_ecc_repairable_uncorrected")


def ecc_findings(before: Snapshot | None, after: Snapshot) -> Iterator[Finding]:
    """ECC events between two snapshots; uncorrected ones also from before the first."""
    earlier = {d.index: d.ecc for d in before.devices} if before is not None else {}
    for device in after.devices:
        old = earlier.get(device.index)
        if before is None:
            lost = sum(getattr(device.ecc, name) or 0 for name in _UNCORRECTED)
            if lost:
                place = _owned(device, after)
                yield Finding(VerdictKind.ECC_UNCORRECTED, place, lost, "before", Severity.WARNING)
        elif old is not None:
            for kind, fields in (
                (VerdictKind.ECC_UNCORRECTED, _UNCORRECTED),
                (VerdictKind.ECC_CORRECTED, ("mem_ecc_corrected", "sram_ecc_corrected")),
            ):
                parts = {f: _since(getattr(device.ecc, f), getattr(old, f)) for f in fields}
                if sum(parts.values()):
                    hit = {"DRAM" if name.startswith("mem") else "SRAM": None for name, n in parts.items() if n}
                    memory = " and ".join(hit)
                    yield Finding(kind, _owned(device, after), sum(parts.values()), memory)


def _load_failures(runtime: Runtime, old: Runtime | None) -> Iterator[Finding]:
    """Failed loads: the driver counts them per core, and not in the classes of executions."""
    for core, use in runtime.cores.items():
        before = old.cores.get(core) if old is not None else None
        if before is None:
            continue
        failed = sum(
            _since(getattr(use.status, name), getattr(before.status, name)) for name in ("failure", "resource_error")
        )
        if failed:
            yield Finding(VerdictKind.LOADS_FAIL, Place(core=core, pid=runtime.pid, tag=runtime.tag), failed)
            return


def runtime_findings(before: Snapshot | None, after: Snapshot) -> Iterator[Finding]:
    """Timeouts, errors and failed loads between two snapshots."""
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
                yield Finding(VerdictKind.TIMEOUTS, place, timeouts)
        # Most runtimes count no new error between two snapshots.
        unchanged = old is not None and runtime.errors == old.errors
        if runtime.errors is not None and not unchanged and (old is None or old.errors is not None):
            had_errors = old.errors if old is not None and old.errors is not None else ErrorCounts()
            for name, now, then in zip(ErrorCounts._fields, runtime.errors, had_errors, strict=True):
                # A timeout counts as a generic error too, and is already reported.
                events = max(0, now - then) - (timeouts if name == "generic" else 0)
                if events > 0:
                    yield Finding(VerdictKind.ERRORS, place, events, name)
        yield from _load_failures(runtime, old)


_EXPLAIN_HARDWARE = frozenset({VerdictKind.ECC_UNCORRECTED, VerdictKind.LINK_DOWN, VerdictKind.DEVICE_LOST})


def causes(findings: list[Finding], snapshot: Snapshot) -> list[Finding]:
    """The findings without those that another explains: timeouts of a hung core, hardware errors of a broken part."""
    if not findings:
        return findings
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
    """Whether a core of the runtime belongs to a missing device."""
    return any(core not in devices for core in runtime.cores)
