"""Immutable records of the state of a node at one time, as viewers show it.

Counters are cumulative since the start of their runtime (or node); :mod:`runtime_core.telemetry.rates` subtracts two
snapshots. A figure that the source cannot provide is ``None``, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from runtime_core.chips import INFERENTIA, Chip
from runtime_core.histogram import Histogram


class CoreMemory(NamedTuple):
    """Device memory that one runtime uses on one NeuronCore, in bytes per category."""

    constants: int | None = None
    model_code: int | None = None
    model_shared_scratchpad: int | None = None
    runtime_memory: int | None = None
    tensors: int | None = None

    @property
    def total_bytes(self) -> int | None:
        """Sum of the known categories, or ``None`` if none is known."""
        return sum_known(self)


class HostMemory(NamedTuple):
    """Host memory that one runtime uses, in bytes per category."""

    application_memory: int | None = None
    constants: int | None = None
    dma_buffers: int | None = None
    tensors: int | None = None

    @property
    def total_bytes(self) -> int | None:
        """Sum of the known categories, or ``None`` if none is known."""
        return sum_known(self)


class SubgraphDeviceMemory(NamedTuple):
    """Device memory of one subgraph, in bytes per category."""

    constants: int = 0
    model_code: int = 0
    runtime_memory: int = 0
    tensors: int = 0


class CoreStatusCounts(NamedTuple):
    """Cumulative executions and failures of one NeuronCore per status, with the names of the driver's sysfs files."""

    success: int | None = None
    failure: int | None = None
    timeout: int | None = None
    exec_bad_input: int | None = None
    hw_error: int | None = None
    execute_completed_with_error: int | None = None
    execute_completed_with_num_error: int | None = None
    generic_error: int | None = None
    resource_error: int | None = None
    resource_nc_error: int | None = None
    execute_failed_to_queue: int | None = None
    invalid_error: int | None = None
    unsupported_neff_version: int | None = None
    oob_error: int | None = None
    hw_collectives_error: int | None = None
    hw_hbm_ue_error: int | None = None
    hw_nc_ue_error: int | None = None
    hw_dma_abort_error: int | None = None
    execute_sw_nq_overflow: int | None = None
    execute_sw_semaphore_error: int | None = None
    execute_sw_event_error: int | None = None
    execute_sw_psum_collision: int | None = None
    execute_sw_sequencer_fatal: int | None = None
    hw_repairable_hbm_ue_error: int | None = None


class CoreUse(NamedTuple):
    """Use of one NeuronCore by one runtime; ``busy_ns`` and ``flops`` include the finished part of a running execution.

    Attributes:
        part_busy_ns: ``busy_ns`` of each physical core of a logical core, in ascending order; ``busy_ns`` is their
            mean. Empty if the core is a single physical core.
    """

    busy_ns: int | None
    flops: int | None
    inference_count: int | None
    model_load_count: int | None
    memory: CoreMemory
    status: CoreStatusCounts
    part_busy_ns: tuple[int | None, ...] = ()


class ExecutionCounts(NamedTuple):
    """Cumulative executions of one runtime per outcome."""

    completed: int = 0
    completed_with_err: int = 0
    completed_with_num_err: int = 0
    timed_out: int = 0
    incorrect_input: int = 0
    failed_to_queue: int = 0


class ErrorCounts(NamedTuple):
    """Cumulative execution errors of one runtime per class."""

    generic: int = 0
    numerical: int = 0
    transient: int = 0
    model: int = 0
    runtime: int = 0
    hardware: int = 0


class CpuTimes(NamedTuple):
    """CPU seconds used by a process."""

    user_seconds: float
    system_seconds: float


class Subgraph(NamedTuple):
    """The part of a model on one NeuronCore. ``core`` is the global core index, ``device`` its Neuron Device."""

    name: str
    core: int
    device: int
    host_memory: HostMemory
    device_memory: SubgraphDeviceMemory


class Model(NamedTuple):
    """A loaded model; ``running`` is true for a started network and false for a network in standby."""

    model_id: int
    name: str
    uuid: str
    running: bool
    subgraphs: tuple[Subgraph, ...]


class Runtime(NamedTuple):
    """One runtime process: an application on Runtime 2.x, or a neuron-rtd daemon.

    Attributes:
        pid: process id.
        start_ns: CLOCK_MONOTONIC time of its initialization (nanoseconds); distinguishes processes that reuse a pid.
        time_ns: CLOCK_MONOTONIC time at which these figures were read; rates divide by differences of it.
        tag: ``NEURON_PROCESS_TAG``, or the pid as text.
        address: gRPC address of a neuron-rtd; "" for a 2.x application.
        cores: global NeuronCore index -> use, for the cores that the runtime owns.
        executions, errors, total_latency, device_latency, host_memory, cpu: ``None`` if the source does not provide
            them.
        error: reason why the figures could not be read, or "". If set, the counters are ``None`` or empty.
        devices: indices of the devices that it holds open; only from a source that sees devices separately from cores
            (sysfs).
        framework: framework that the process named to the runtime, such as ``PyTorch 1.13``; "" if it named none.
    """

    pid: int
    start_ns: int
    time_ns: int
    uid: int
    tag: str
    command: str
    version: str
    address: str
    cores: Mapping[int, CoreUse]
    executions: ExecutionCounts | None
    errors: ErrorCounts | None
    total_latency: Histogram | None
    device_latency: Histogram | None
    host_memory: HostMemory | None
    models: tuple[Model, ...]
    cpu: CpuTimes | None
    error: str = ""
    devices: tuple[int, ...] = ()
    framework: str = ""

    @property
    def key(self) -> tuple[int, int]:
        """The identity of this runtime, unique among all runtimes since boot."""
        return self.pid, self.start_ns

    def uses(self, device: Device) -> bool:
        """Return whether the runtime owns a core of ``device`` or holds the device open."""
        return device.index in self.devices or any(core in self.cores for core in device.core_ids)


class EccCounts(NamedTuple):
    """Cumulative ECC events of one device; ``None`` if the driver does not count them."""

    mem_ecc_corrected: int | None = None
    mem_ecc_uncorrected: int | None = None
    sram_ecc_corrected: int | None = None
    sram_ecc_uncorrected: int | None = None
    mem_ecc_repairable_uncorrected: int | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """One Neuron Device (chip).

    Attributes:
        index: device number.
        core_ids: global indices of its logical NeuronCores.
        bdf: PCI address with domain; ``None`` if unknown.
        connected: neighbours in firmware order (East first on Inferentia; the order has no meaning on other chips).
            Empty if there are none or they cannot be read.
        east, west: the neighbour over that link, or ``None``; only Inferentia names its links.
        memory_total_bytes, memory_used_bytes: device memory. Used memory is the sum over live runtimes, or the driver's
            count for the whole device (sysfs).
        cpu_affinity, numa_node: CPUs and NUMA node close to the device; ``None`` if unknown.
        link_east_bytes, link_west_bytes: cumulative bytes sent over each link.
        cores: global core index -> counts of the core since the driver was loaded, for all processes. Empty for a
            source that counts by process (the simulated node).
        chip: the type of the device.
        physical_cores_per_core: number of physical NeuronCores per logical core in ``core_ids`` (the logical NeuronCore
            configuration, LNC); 1 if logical and physical cores are the same.
        down_links, slow_links: neighbours whose link is down or slow; empty if the source does not report link states.
    """

    index: int
    bdf: str | None
    core_ids: tuple[int, ...]
    connected: tuple[int, ...]
    east: int | None
    west: int | None
    memory_total_bytes: int | None
    memory_used_bytes: int | None
    ecc: EccCounts
    cpu_affinity: str | None
    numa_node: int | None
    link_east_bytes: int | None
    link_west_bytes: int | None
    cores: Mapping[int, CoreUse] = field(default_factory=dict)
    chip: Chip = INFERENTIA
    physical_cores_per_core: int = 1
    down_links: tuple[int, ...] = ()
    slow_links: tuple[int, ...] = ()

    @property
    def core_version(self) -> str:
        """Version of a core as neuron-monitor reports it, e.g. ``v3d`` for two joined cores of version ``v3``."""
        return f"{self.chip.core_version}d" if self.physical_cores_per_core > 1 else self.chip.core_version


class VcpuTimes(NamedTuple):
    """Cumulative seconds since boot that one vCPU, or all vCPUs together, spent on each kind of work."""

    user: float
    nice: float
    system: float
    idle: float
    io_wait: float
    irq: float
    soft_irq: float


class Host(NamedTuple):
    """Figures of the host, read with psutil; a recording may omit them.

    Under a virtual clock they describe the simulated host: its vCPUs, and at most the memory of the instance type.
    ``None`` means not available.
    """

    time_ns: int
    vcpus: tuple[VcpuTimes, ...]
    context_switches: int | None
    memory_total_bytes: int | None
    memory_used_bytes: int | None
    swap_total_bytes: int | None
    swap_used_bytes: int | None


class Instance(NamedTuple):
    """Identity of the instance; unknown fields are ""."""

    instance_type: str
    instance_id: str
    instance_name: str = ""
    availability_zone: str = ""
    availability_zone_id: str = ""
    region: str = ""
    ami_id: str = ""
    subnet_id: str = ""


class Snapshot(NamedTuple):
    """The state of a node at one time.

    Attributes:
        time_ns: CLOCK_MONOTONIC time at which the reading began.
        wall_time_ns: the same moment as Unix time, in nanoseconds.
        source: the location that was read, e.g. ``sim:/run/user/1000/neuron-sim``.
        driver_version: version of the Neuron driver; "" if unknown.
        runtimes: live runtimes, in the order in which they started.
        host: ``None`` unless it was requested.
        missing_devices: indices of devices that should exist but do not; empty if the source cannot tell.
    """

    time_ns: int
    wall_time_ns: int
    source: str
    instance: Instance
    driver_version: str
    devices: tuple[Device, ...]
    runtimes: tuple[Runtime, ...]
    host: Host | None
    missing_devices: tuple[int, ...] = ()

    @property
    def core_owner(self) -> dict[int, Runtime]:
        """Global NeuronCore index -> the runtime that owns the core, for owned cores."""
        return {core: runtime for runtime in self.runtimes for core in runtime.cores}

    def unattributed_memory_bytes(self, device: Device) -> int | None:
        """Return the device memory in use on ``device`` that no runtime of this snapshot accounts for, in bytes.

        Return ``None`` if the use of the device, or of a runtime on it, is unknown.
        """
        if device.memory_used_bytes is None:
            return None
        owned = [runtime.cores[core].memory.total_bytes for runtime in self.runtimes for core in runtime.cores
                 if core in device.core_ids]  # fmt: skip
        known = [used for used in owned if used is not None]
        return None if len(known) < len(owned) else max(0, device.memory_used_bytes - sum(known))


def sum_known(values: tuple[int | None, ...]) -> int | None:
    """Return the sum of the known values, or ``None`` if none is known."""
    known = [v for v in values if v is not None]
    return sum(known) if known else None
