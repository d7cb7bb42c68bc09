"""What changed between two scrapes of a node."""

from __future__ import annotations

from collections.abc import Mapping

from neuron_top.model.moment import LinkTraffic, RuntimeKey
from neuron_top.remote.series import TAG, Series
from runtime_core.telemetry import Rates, Snapshot
from runtime_core.telemetry.rates import CoreRate, HostRate, RuntimeRate
from runtime_core.telemetry.snapshot import CpuTimes, EccCounts, ErrorCounts, ExecutionCounts, Host, Runtime, VcpuTimes


def _host_rate(node: Series, host: Host | None, seconds: float) -> HostRate | None:
    user = node.one("system_vcpu_usage_ratio", usage_type="user")
    system = node.one("system_vcpu_usage_ratio", usage_type="system")
    if host is None or user is None or system is None:
        return None
    average = VcpuTimes(user, 0.0, system, max(0.0, 1.0 - user - system), 0.0, 0.0, 0.0)
    return HostRate(seconds, (average,) * len(host.vcpus), average, 0)


def _since(after: tuple[int, ...] | None, before: tuple[int, ...] | None) -> list[int] | None:
    """Counts since the scrape before; a counter that went back began anew."""
    if after is None or before is None:
        return None
    return [a - b if a >= b else a for a, b in zip(after, before, strict=True)]


def rates_of(
    node: Series, runtimes: Mapping[str, Runtime], snapshot: Snapshot, before: Snapshot | None, seconds: float
) -> Rates:
    """Return what changed since ``before``, ``seconds`` earlier; gauges are taken as the monitor reports them."""
    earlier = {r.key: r for r in before.runtimes} if before is not None else {}
    utilization = node.by("neuroncore_utilization_ratio", TAG, "neuroncore")
    cpu = node.by("neuron_runtime_vcpu_usage_ratio", TAG, "usage_type")
    vcpus = len(snapshot.host.vcpus) if snapshot.host is not None else 0
    found: dict[RuntimeKey, RuntimeRate] = {}
    for tag, runtime in runtimes.items():
        cores = {core: CoreRate(utilization.get((tag, str(core))), None) for core in runtime.cores}
        old = earlier.get(runtime.key)
        executions = _since(runtime.executions, old.executions if old is not None else None)
        errors = _since(runtime.errors, old.errors if old is not None else None)
        user, system = cpu.get((tag, "user")), cpu.get((tag, "system"))
        known = user is not None and system is not None and vcpus and seconds > 0
        found[runtime.key] = RuntimeRate(
            runtime.pid,
            seconds,
            cores,
            ExecutionCounts(*executions) if executions is not None else None,
            ErrorCounts(*errors) if errors is not None else None,
            None,
            None,
            CpuTimes((user or 0.0) * vcpus * seconds, (system or 0.0) * vcpus * seconds) if known else None,
        )
    old_ecc = {d.index: d.ecc for d in before.devices} if before is not None else {}
    ecc = {
        d.index: EccCounts(*(None if a is None or b is None else max(0, a - b)
                             for a, b in zip(d.ecc, old_ecc.get(d.index, d.ecc), strict=True)))
        for d in snapshot.devices
    }  # fmt: skip
    return Rates(seconds, found, ecc, _host_rate(node, snapshot.host, seconds))


def links_of(after: Snapshot, before: Snapshot | None, seconds: float) -> dict[int, LinkTraffic]:
    """Traffic over links, by device."""
    earlier = {d.index: d for d in before.devices} if before is not None else {}

    def rate(now: int | None, then: int | None) -> float | None:
        return None if now is None or then is None or seconds <= 0 else max(0, now - then) / seconds

    return {
        d.index: LinkTraffic(rate(d.link_east_bytes, earlier[d.index].link_east_bytes),
                             rate(d.link_west_bytes, earlier[d.index].link_west_bytes))
        for d in after.devices if d.index in earlier
    }  # fmt: skip
