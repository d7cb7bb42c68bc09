"""Differences between two snapshots of the same node."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from runtime_core.histogram import Histogram
from runtime_core.telemetry.snapshot import (
    CoreUse,
    CpuTimes,
    EccCounts,
    ErrorCounts,
    ExecutionCounts,
    Runtime,
    Snapshot,
    VcpuTimes,
)


class CoreRate(NamedTuple):
    """Use of one core by one runtime: the busy share of the interval (0..1) and FLOP/s; ``None`` if unknown.

    ``parts`` is the utilization of each physical core of a logical core, in ascending order.
    """

    utilization_ratio: float | None
    flops_per_second: float | None
    parts: tuple[float | None, ...] = ()


class RuntimeRate(NamedTuple):
    """One runtime over the interval: counts are those of the interval, ``cpu`` is in CPU seconds."""

    pid: int
    seconds: float
    cores: Mapping[int, CoreRate]
    executions: ExecutionCounts | None
    errors: ErrorCounts | None
    total_latency: Histogram | None
    device_latency: Histogram | None
    cpu: CpuTimes | None


class HostRate(NamedTuple):
    """The host over the interval: the share (0..1) of each kind of time per vCPU, and the average over all vCPUs."""

    seconds: float
    vcpus: tuple[VcpuTimes, ...]
    average: VcpuTimes
    context_switches: int | None


class Rates(NamedTuple):
    """All changes between two snapshots.

    Attributes:
        seconds: length of the interval.
        runtimes: runtime key -> its rates, for each runtime that is alive in the later snapshot.
        ecc: device index -> events in the interval.
        host: ``None`` unless both snapshots contain host figures.
        cores: global core index -> use of the core by all processes; empty unless the source counts by core (sysfs).
    """

    seconds: float
    runtimes: Mapping[tuple[int, int], RuntimeRate]
    ecc: Mapping[int, EccCounts]
    host: HostRate | None
    cores: Mapping[int, CoreRate] = MappingProxyType({})

    def core_utilization(self) -> dict[int, float]:
        """Return global core index -> utilization ratio, for owned or counted cores with a known ratio."""
        return {
            core: rate.utilization_ratio
            for cores in (self.cores, *(runtime.cores for runtime in self.runtimes.values()))
            for core, rate in cores.items()
            if rate.utilization_ratio is not None
        }


def _delta(after: int | None, before: int | None) -> int | None:
    if after is None or before is None:
        return None
    return max(0, after - before)


_NO_USE: tuple[int, int] = (0, 0)


def _core_rate(after: CoreUse, before: CoreUse | None, interval_ns: int) -> CoreRate:
    busy_before, flops_before = (before.busy_ns, before.flops) if before is not None else _NO_USE
    busy = _delta(after.busy_ns, busy_before)
    flops = _delta(after.flops, flops_before)
    parts: tuple[float | None, ...] = ()
    if after.part_busy_ns:
        earlier = before.part_busy_ns if before is not None else (0,) * len(after.part_busy_ns)
        parts = tuple(
            _share(_delta(now, then), interval_ns) for now, then in zip(after.part_busy_ns, earlier, strict=False)
        )
    if interval_ns <= 0:
        return CoreRate(_share(busy, interval_ns), None if flops is None else 0.0, parts)
    return CoreRate(_share(busy, interval_ns), None if flops is None else flops * 1e9 / interval_ns, parts)


def _share(busy_ns: int | None, interval_ns: int) -> float | None:
    if busy_ns is None:
        return None
    return min(1.0, busy_ns / interval_ns) if interval_ns > 0 else 0.0


def _runtime_rate(after: Runtime, before: Runtime | None, since_ns: int) -> RuntimeRate:
    """Return the rates of a runtime; without ``before``, its counters started from zero within the interval."""
    interval_ns = after.time_ns - (before.time_ns if before is not None else since_ns)
    executions, errors, total, device, cpu = (
        after.executions,
        after.errors,
        after.total_latency,
        after.device_latency,
        after.cpu,
    )
    if before is not None:
        if executions is not None and before.executions is not None:
            executions = ExecutionCounts(
                *[a - b if a > b else 0 for a, b in zip(executions, before.executions, strict=True)]
            )
        if errors is not None and before.errors is not None:
            errors = ErrorCounts(*[a - b if a > b else 0 for a, b in zip(errors, before.errors, strict=True)])
        if total is not None and before.total_latency is not None:
            total = total.minus(before.total_latency)
        if device is not None and before.device_latency is not None:
            device = device.minus(before.device_latency)
        if cpu is not None:
            cpu = before.cpu and CpuTimes(*(max(0.0, a - b) for a, b in zip(cpu, before.cpu, strict=True)))
    cores = {
        core: _core_rate(use, before.cores.get(core) if before is not None else None, interval_ns)
        for core, use in after.cores.items()
    }
    return RuntimeRate(after.pid, max(0, interval_ns) / 1e9, cores, executions, errors, total, device, cpu)


def _vcpu_share(after: VcpuTimes, before: VcpuTimes) -> VcpuTimes:
    spent = [max(0.0, a - b) for a, b in zip(after, before, strict=True)]
    total = sum(spent)
    return VcpuTimes(*(s / total if total else 0.0 for s in spent))


def _increase(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else max(0, after - before)


def _host_rate(before: Snapshot, after: Snapshot) -> HostRate | None:
    if after.host is None or before.host is None or len(after.host.vcpus) != len(before.host.vcpus):
        return None
    if after.host.time_ns <= before.host.time_ns:
        return None  # a virtual clock that did not advance
    shares = tuple(_vcpu_share(a, b) for a, b in zip(after.host.vcpus, before.host.vcpus, strict=True))
    average = VcpuTimes(*(sum(kind) / len(shares) for kind in zip(*shares, strict=True)))
    return HostRate(
        (after.host.time_ns - before.host.time_ns) / 1e9,
        shares,
        average,
        _increase(after.host.context_switches, before.host.context_switches),
    )


def _since_cleared(before: CoreUse, after: CoreUse) -> CoreUse:
    """Return the values to subtract: 0 for a counter cleared between the snapshots, to keep its counts since then."""
    busy_ns, flops = (
        0 if old is not None and new is not None and new < old else old
        for old, new in ((before.busy_ns, after.busy_ns), (before.flops, after.flops))
    )
    parts = tuple(
        0 if old is not None and new is not None and new < old else old
        for old, new in zip(before.part_busy_ns, after.part_busy_ns, strict=False)
    )
    return before._replace(busy_ns=busy_ns, flops=flops, part_busy_ns=parts)


def _counted_cores(before: Snapshot, after: Snapshot) -> dict[int, CoreRate]:
    earlier = {core: use for device in before.devices for core, use in device.cores.items()}
    return {
        core: _core_rate(use, _since_cleared(earlier[core], use), after.time_ns - before.time_ns)
        for device in after.devices
        for core, use in device.cores.items()
        if core in earlier
    }


def rates(before: Snapshot, after: Snapshot) -> Rates:
    """Subtract ``before`` from ``after``, two snapshots of the same node.

    A runtime that appears only in ``after`` counts from zero over the whole interval. A runtime that appears only in
    ``before`` has ended and is omitted.
    """
    earlier = {runtime.key: runtime for runtime in before.runtimes}
    earlier_ecc = {device.index: device.ecc for device in before.devices}
    return Rates(
        seconds=(after.time_ns - before.time_ns) / 1e9,
        runtimes={r.key: _runtime_rate(r, earlier.get(r.key), before.time_ns) for r in after.runtimes},
        ecc={
            d.index: EccCounts(*(_delta(a, b) for a, b in zip(d.ecc, earlier_ecc.get(d.index, d.ecc), strict=True)))
            for d in after.devices
        },
        host=_host_rate(before, after),
        cores=_counted_cores(before, after),
    )
