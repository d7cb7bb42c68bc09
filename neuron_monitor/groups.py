"""Build each metric group of a report from snapshots; the functions are pure."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from neuron_monitor import report as out
from neuron_monitor.unavailable import with_words
from runtime_core.telemetry import Histogram, Rates, Snapshot
from runtime_core.telemetry.rates import CoreRate, HostRate, RuntimeRate
from runtime_core.telemetry.snapshot import Host, HostMemory, Model, Runtime, VcpuTimes, sum_known

_PERCENTILES = (0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0)
NOT_COUNTED = "this source does not count it"


def _percent(ratio: float) -> float:
    return round(100.0 * ratio, 4)


def _percent_or_none(ratio: float | None) -> float | None:
    return None if ratio is None else _percent(ratio)


def _core(core: int, rate: CoreRate) -> out.CoreCounters:
    flops = None if rate.flops_per_second is None else round(rate.flops_per_second)
    parts: dict[str, out.PartCounters] | UnsetType = UNSET
    if rate.parts:
        first = core * len(rate.parts)
        parts = {
            f"nc_v3.{first + number}": out.PartCounters(_percent_or_none(ratio))
            for number, ratio in enumerate(rate.parts)
        }
    return out.CoreCounters(_percent_or_none(rate.utilization_ratio), flops, parts)


def neuroncore_counters(runtime: Runtime, rate: RuntimeRate) -> out.NeuronCoreCounters:
    """Return the utilization and FLOP/s of each core that the runtime owns."""
    cores = {str(core): _core(core, core_rate) for core, core_rate in sorted(rate.cores.items())}
    return out.NeuronCoreCounters(rate.seconds, cores, runtime.error)


def percentiles(histogram: Histogram | None) -> out.Percentiles | None:
    """Return latency quantiles in seconds, or ``None`` if nothing was counted."""
    if histogram is None:
        return None
    values = histogram.quantiles_ns(_PERCENTILES)
    return out.Percentiles(*(v / 1e9 for v in values)) if values else None


def execution_stats(runtime: Runtime, rate: RuntimeRate) -> out.ExecutionStats:
    """Return outcomes, errors and latency of the period."""
    unknown = "" if rate.executions is not None else NOT_COUNTED
    latencies = {"total_latency": rate.total_latency, "device_latency": rate.device_latency}
    lacking = [f"latency_stats.{name}" for name, found in latencies.items() if found is None and not runtime.error]
    return out.ExecutionStats(
        rate.seconds,
        None if rate.errors is None else out.ErrorSummary(*rate.errors),
        None if rate.executions is None else out.ExecutionSummary(*rate.executions),
        out.LatencyStats(percentiles(rate.total_latency), percentiles(rate.device_latency)),
        with_words(runtime.error or unknown, lacking),
    )


def _host(memory: HostMemory | None) -> out.HostUsage:
    return out.HostUsage(*(memory or HostMemory()))


def _model(model: Model) -> out.ModelReport:
    subgraphs = {}
    for part in model.subgraphs:
        device = out.SubgraphDevice(*part.device_memory)
        used = out.SubgraphUsed(
            part.host_memory.total_bytes,
            sum(part.device_memory),
            out.SubgraphBreakdown(_host(part.host_memory), device),
        )
        subgraphs[part.name] = out.SubgraphReport(used, part.core, part.device)
    return out.ModelReport(model.name, model.uuid, model.model_id, model.running, subgraphs)


def memory_used(runtime: Runtime, rate: RuntimeRate) -> out.MemoryUsed:
    """Return the memory that the runtime uses now; totals are the sums of the parts in the report."""
    cores = {str(core): out.CoreUsage(*use.memory) for core, use in sorted(runtime.cores.items())}
    used = out.UsedBytes(
        runtime.host_memory.total_bytes if runtime.host_memory is not None else None,
        sum_known(tuple(use.memory.total_bytes for use in runtime.cores.values())) if runtime.cores else 0,
        out.UsageBreakdown(_host(runtime.host_memory), cores),
    )
    return out.MemoryUsed(rate.seconds, used, [_model(m) for m in runtime.models], runtime.error)


def runtime_vcpu_usage(runtime: Runtime, rate: RuntimeRate, vcpu_count: int) -> out.RuntimeVcpuUsage:
    """Return the CPU time of the process as a share of all vCPUs."""
    if rate.cpu is None or not vcpu_count or not rate.seconds:
        why = runtime.error or f"CPU times of process {runtime.pid} cannot be read"
        return out.RuntimeVcpuUsage(rate.seconds, None, why)
    user, system = (min(100.0, 100.0 * s / rate.seconds / vcpu_count) for s in rate.cpu)
    return out.RuntimeVcpuUsage(rate.seconds, out.UserSystem(round(user, 4), round(system, 4)), runtime.error)


def _vcpu(times: VcpuTimes) -> out.VcpuPercent:
    return out.VcpuPercent(*(_percent(t) for t in times))


def vcpu_usage(host: HostRate | None, seconds: float) -> out.VcpuUsage:
    """Return the use of the host's vCPUs over the period."""
    if host is None:
        return out.VcpuUsage(seconds, None, {}, None, "the host's vCPU figures are not available")
    data = {str(i): _vcpu(times) for i, times in enumerate(host.vcpus)}
    return out.VcpuUsage(host.seconds, _vcpu(host.average), data, host.context_switches)


def memory_info(host: Host | None, seconds: float) -> out.MemoryInfo:
    """Return the current memory use of the host."""
    if host is None:
        return out.MemoryInfo(seconds, None, None, None, None, "the host's memory figures are not available")
    return out.MemoryInfo(
        seconds, host.memory_total_bytes, host.memory_used_bytes, host.swap_total_bytes, host.swap_used_bytes
    )


def hw_counters(rates: Rates, error: str = "") -> out.HwCounters:
    """Return the ECC events of each device in the period; no device is listed if the node could not be read."""
    devices = [
        out.DeviceEcc(
            index, ecc.mem_ecc_corrected, ecc.mem_ecc_uncorrected, ecc.sram_ecc_uncorrected, ecc.sram_ecc_corrected
        )
        for index, ecc in sorted(rates.ecc.items())
    ]
    return out.HwCounters(rates.seconds, devices, error)


def instance_info(snapshot: Snapshot, error: str = "") -> out.InstanceInfo:
    """Return the identity of the instance."""
    i = snapshot.instance
    return out.InstanceInfo(
        i.instance_name,
        i.instance_id,
        i.instance_type,
        i.availability_zone,
        i.availability_zone_id,
        i.region,
        i.ami_id,
        i.subnet_id,
        error,
    )


def hardware_info(snapshot: Snapshot, error: str = "") -> out.HardwareInfo:
    """Return the Neuron hardware of the instance, whose devices are all alike."""
    if not snapshot.devices:
        return out.HardwareInfo("", "", "", 0, 0, 0, 1, error)
    device = snapshot.devices[0]
    return out.HardwareInfo(
        device.chip.device_type,
        device.chip.device_version,
        device.core_version,
        len(snapshot.devices),
        device.memory_total_bytes,
        len(device.core_ids),
        device.physical_cores_per_core,
        error,
    )
