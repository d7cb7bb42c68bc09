"""The report, with the fields and the order of the original neuron-monitor. ``None`` is "not available".

The records are written and read. ``neuron_monitor.wire`` writes 0 for figures that are not available, with a reason in
the group's ``error``. ``neuron_monitor.reading`` reads reports of other releases, in which any field may be missing.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

Percent = Annotated[float, Meta(ge=0, le=100)]
Count = Annotated[int, Meta(ge=0)]
Bytes = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]
Index = Annotated[int, Meta(ge=0)]


class PartCounters(msgspec.Struct):
    """One physical core of a logical NeuronCore: percent busy."""

    neuroncore_utilization: Percent | None


class CoreCounters(msgspec.Struct):
    """One NeuronCore: percent busy, FLOP/s over the period.

    ``v3d``: the two physical cores of a logical one (Trainium2), by ``nc_v3.<physical core>``.
    """

    neuroncore_utilization: Percent | None
    flops: Count | None
    v3d: dict[str, PartCounters] | UnsetType = UNSET


class NeuronCoreCounters(msgspec.Struct):
    """Cores in use by a runtime, by global index."""

    period: Seconds | None
    neuroncores_in_use: dict[str, CoreCounters]
    error: str = ""


class ErrorSummary(msgspec.Struct):
    """Errors within the period by class."""

    generic: Count | None
    numerical: Count | None
    transient: Count | None
    model: Count | None
    runtime: Count | None
    hardware: Count | None


class ExecutionSummary(msgspec.Struct):
    """Executions within the period by outcome."""

    completed: Count | None
    completed_with_err: Count | None
    completed_with_num_err: Count | None
    timed_out: Count | None
    incorrect_input: Count | None
    failed_to_queue: Count | None


class Percentiles(msgspec.Struct):
    """Latency in seconds."""

    p0: Seconds | None
    p1: Seconds | None
    p25: Seconds | None
    p50: Seconds | None
    p75: Seconds | None
    p99: Seconds | None
    p100: Seconds | None


class LatencyStats(msgspec.Struct):
    """Latency measured by callers and on the device; ``None`` if nothing ran."""

    total_latency: Percentiles | None
    device_latency: Percentiles | None


class ExecutionStats(msgspec.Struct):
    """Executions within the period."""

    period: Seconds | None
    error_summary: ErrorSummary | None
    execution_summary: ExecutionSummary | None
    latency_stats: LatencyStats
    error: str = ""


class HostUsage(msgspec.Struct):
    """Host memory by category, bytes."""

    application_memory: Bytes | None
    constants: Bytes | None
    dma_buffers: Bytes | None
    tensors: Bytes | None


class CoreUsage(msgspec.Struct):
    """Device memory of a core by category, bytes."""

    constants: Bytes | None
    model_code: Bytes | None
    model_shared_scratchpad: Bytes | None
    runtime_memory: Bytes | None
    tensors: Bytes | None


class UsageBreakdown(msgspec.Struct):
    """The parts of the totals."""

    host: HostUsage
    neuroncore_memory_usage: dict[str, CoreUsage]


class UsedBytes(msgspec.Struct):
    """Memory of a runtime, bytes."""

    host: Bytes | None
    neuron_device: Bytes | None
    usage_breakdown: UsageBreakdown


class SubgraphDevice(msgspec.Struct):
    """Device memory of a subgraph by category, bytes."""

    constants: Bytes | None
    model_code: Bytes | None
    runtime_memory: Bytes | None
    tensors: Bytes | None


class SubgraphBreakdown(msgspec.Struct):
    """The parts of a subgraph's totals."""

    host: HostUsage
    neuron_device: SubgraphDevice


class SubgraphUsed(msgspec.Struct):
    """Memory of a subgraph, bytes."""

    host: Bytes | None
    neuron_device: Bytes | None
    usage_breakdown: SubgraphBreakdown


class SubgraphReport(msgspec.Struct):
    """A subgraph and its place."""

    memory_used_bytes: SubgraphUsed
    neuroncore_index: Index | None
    neuron_device_index: Index | None


class ModelReport(msgspec.Struct):
    """A loaded model."""

    name: str
    uuid: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    model_id: int | None
    is_running: bool | None
    subgraphs: dict[str, SubgraphReport]


class MemoryUsed(msgspec.Struct):
    """Memory of a runtime and its models."""

    period: Seconds | None
    neuron_runtime_used_bytes: UsedBytes
    loaded_models: list[ModelReport]
    error: str = ""


class UserSystem(msgspec.Struct):
    """Percent of the instance's vCPUs."""

    user: Percent | None
    system: Percent | None


class RuntimeVcpuUsage(msgspec.Struct):
    """CPU use of a runtime's process."""

    period: Seconds | None
    vcpu_usage: UserSystem | None
    error: str = ""


class RuntimeReport(msgspec.Struct):
    """The groups that were due."""

    neuroncore_counters: NeuronCoreCounters | UnsetType = UNSET
    execution_stats: ExecutionStats | UnsetType = UNSET
    memory_used: MemoryUsed | UnsetType = UNSET
    neuron_runtime_vcpu_usage: RuntimeVcpuUsage | UnsetType = UNSET


class RuntimeData(msgspec.Struct):
    """One runtime."""

    pid: int | None
    neuron_runtime_tag: str
    address: str
    error: str
    report: RuntimeReport


class VcpuPercent(msgspec.Struct):
    """Percent of a vCPU's time by kind."""

    user: Percent | None
    nice: Percent | None
    system: Percent | None
    idle: Percent | None
    io_wait: Percent | None
    irq: Percent | None
    soft_irq: Percent | None


class VcpuUsage(msgspec.Struct):
    """The host's vCPUs."""

    period: Seconds | None
    average_usage: VcpuPercent | None
    usage_data: dict[str, VcpuPercent]
    context_switch_count: Count | None
    error: str = ""


class MemoryInfo(msgspec.Struct):
    """The host's memory, bytes."""

    period: Seconds | None
    memory_total_bytes: Bytes | None
    memory_used_bytes: Bytes | None
    swap_total_bytes: Bytes | None
    swap_used_bytes: Bytes | None
    error: str = ""


class DeviceEcc(msgspec.Struct):
    """ECC events of a device within the period."""

    neuron_device_index: Index | None
    mem_ecc_corrected: Count | None
    mem_ecc_uncorrected: Count | None
    sram_ecc_uncorrected: Count | None
    sram_ecc_corrected: Count | None


class HwCounters(msgspec.Struct):
    """Hardware counters of all devices."""

    period: Seconds | None
    neuron_devices: list[DeviceEcc]
    error: str = ""


class SystemData(msgspec.Struct):
    """The groups that were due."""

    vcpu_usage: VcpuUsage | UnsetType = UNSET
    memory_info: MemoryInfo | UnsetType = UNSET
    neuron_hw_counters: HwCounters | UnsetType = UNSET


class InstanceInfo(msgspec.Struct):
    """Identity of the instance."""

    instance_name: str
    instance_id: str
    instance_type: str
    instance_availability_zone: str
    instance_availability_zone_id: str
    instance_region: str
    ami_id: str
    subnet_id: str
    error: str = ""


class HardwareInfo(msgspec.Struct):
    """The Neuron hardware."""

    neuron_device_type: str
    neuron_device_version: str
    neuroncore_version: str
    neuron_device_count: Count | None
    neuron_device_memory_size: Bytes | None
    neuroncore_per_device_count: Count | None
    logical_neuroncore_config: Count | None
    error: str = ""


class CoreUser(msgspec.Struct):
    """The containers that use a core or a device."""

    pod_name: str
    namespace: str
    container_name: list[str]


class K8sInfo(msgspec.Struct):
    """Users of cores and devices in Kubernetes, by index; a companion adds them to the stream."""

    period: Seconds | None
    neuroncores_k8s_info: dict[str, CoreUser]
    neurondevices_k8s_info: dict[str, CoreUser]
    error: str = ""


class Report(msgspec.Struct):
    """One line of the stream."""

    neuron_runtime_data: list[RuntimeData]
    system_data: SystemData
    instance_info: InstanceInfo
    neuron_hardware_info: HardwareInfo
    neuron_k8s_info: K8sInfo | UnsetType = UNSET
