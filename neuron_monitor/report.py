"""The report, field by field in the contract's order (``contracts/neuron-monitor.md``). ``None`` is "not available"."""

from __future__ import annotations

import msgspec


class CoreCounters(msgspec.Struct):
    """One NeuronCore: percent busy, FLOP/s over the period."""

    neuroncore_utilization: float | None
    flops: int | None


class NeuronCoreCounters(msgspec.Struct):
    """Cores in use by a runtime, by global index."""

    period: float
    neuroncores_in_use: dict[str, CoreCounters]
    error: str = ""


class ErrorSummary(msgspec.Struct):
    """Errors within the period by class."""

    generic: int
    numerical: int
    transient: int
    model: int
    runtime: int
    hardware: int


class ExecutionSummary(msgspec.Struct):
    """Executions within the period by outcome."""

    completed: int
    completed_with_err: int
    completed_with_num_err: int
    timed_out: int
    incorrect_input: int
    failed_to_queue: int


class Percentiles(msgspec.Struct):
    """Latency in seconds."""

    p0: float
    p1: float
    p25: float
    p50: float
    p75: float
    p99: float
    p100: float


class LatencyStats(msgspec.Struct):
    """Latency as callers saw it and on the device; ``None`` when nothing ran."""

    total_latency: Percentiles | None
    device_latency: Percentiles | None


class ExecutionStats(msgspec.Struct):
    """Executions within the period."""

    period: float
    error_summary: ErrorSummary | None
    execution_summary: ExecutionSummary | None
    latency_stats: LatencyStats
    error: str = ""


class HostUsage(msgspec.Struct):
    """Host memory by category, bytes."""

    application_memory: int | None
    constants: int | None
    dma_buffers: int | None
    tensors: int | None


class CoreUsage(msgspec.Struct):
    """Device memory of a core by category, bytes."""

    constants: int | None
    model_code: int | None
    model_shared_scratchpad: int | None
    runtime_memory: int | None
    tensors: int | None


class UsageBreakdown(msgspec.Struct):
    """What the totals are made of."""

    host: HostUsage
    neuroncore_memory_usage: dict[str, CoreUsage]


class UsedBytes(msgspec.Struct):
    """Memory of a runtime, bytes."""

    host: int | None
    neuron_device: int | None
    usage_breakdown: UsageBreakdown


class SubgraphDevice(msgspec.Struct):
    """Device memory of a subgraph by category, bytes."""

    constants: int
    model_code: int
    runtime_memory: int
    tensors: int


class SubgraphBreakdown(msgspec.Struct):
    """What a subgraph's totals are made of."""

    host: HostUsage
    neuron_device: SubgraphDevice


class SubgraphUsed(msgspec.Struct):
    """Memory of a subgraph, bytes."""

    host: int | None
    neuron_device: int
    usage_breakdown: SubgraphBreakdown


class SubgraphReport(msgspec.Struct):
    """A subgraph and where it sits."""

    memory_used_bytes: SubgraphUsed
    neuroncore_index: int
    neuron_device_index: int


class ModelReport(msgspec.Struct):
    """A loaded model."""

    name: str
    uuid: str
    model_id: int
    is_running: bool
    subgraphs: dict[str, SubgraphReport]


class MemoryUsed(msgspec.Struct):
    """Memory of a runtime and its models."""

    period: float
    neuron_runtime_used_bytes: UsedBytes
    loaded_models: list[ModelReport]
    error: str = ""


class UserSystem(msgspec.Struct):
    """Percent of the instance's vCPUs."""

    user: float
    system: float


class RuntimeVcpuUsage(msgspec.Struct):
    """CPU use of a runtime's process."""

    period: float
    vcpu_usage: UserSystem | None
    error: str = ""


class RuntimeReport(msgspec.Struct, omit_defaults=True):
    """The groups that were due."""

    neuroncore_counters: NeuronCoreCounters | None = None
    execution_stats: ExecutionStats | None = None
    memory_used: MemoryUsed | None = None
    neuron_runtime_vcpu_usage: RuntimeVcpuUsage | None = None


class RuntimeData(msgspec.Struct):
    """One runtime."""

    pid: int
    neuron_runtime_tag: str
    address: str
    error: str
    report: RuntimeReport


class VcpuPercent(msgspec.Struct):
    """Percent of a vCPU's time by kind."""

    user: float
    nice: float
    system: float
    idle: float
    io_wait: float
    irq: float
    soft_irq: float


class VcpuUsage(msgspec.Struct):
    """The host's vCPUs."""

    period: float
    average_usage: VcpuPercent | None
    usage_data: dict[str, VcpuPercent]
    context_switch_count: int | None
    error: str = ""


class MemoryInfo(msgspec.Struct):
    """The host's memory, bytes."""

    period: float
    memory_total_bytes: int | None
    memory_used_bytes: int | None
    swap_total_bytes: int | None
    swap_used_bytes: int | None
    error: str = ""


class DeviceEcc(msgspec.Struct):
    """ECC events of a device within the period."""

    neuron_device_index: int
    mem_ecc_corrected: int | None
    mem_ecc_uncorrected: int | None
    sram_ecc_uncorrected: int | None
    sram_ecc_corrected: int | None


class HwCounters(msgspec.Struct):
    """Hardware counters of all devices."""

    period: float
    neuron_devices: list[DeviceEcc]
    error: str = ""


class SystemData(msgspec.Struct, omit_defaults=True):
    """The groups that were due."""

    vcpu_usage: VcpuUsage | None = None
    memory_info: MemoryInfo | None = None
    neuron_hw_counters: HwCounters | None = None


class InstanceInfo(msgspec.Struct):
    """Who this instance is."""

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
    neuron_device_count: int
    neuron_device_memory_size: int | None
    neuroncore_per_device_count: int
    logical_neuroncore_config: int
    error: str = ""


class Report(msgspec.Struct):
    """One line of the stream."""

    neuron_runtime_data: list[RuntimeData]
    system_data: SystemData
    instance_info: InstanceInfo
    neuron_hardware_info: HardwareInfo
