"""What a viewer sees of a node at one time, as immutable records.

Counters are cumulative since their runtime (or the node) started; :mod:`runtime_core.telemetry.rates` subtracts two
snapshots. A figure that a source cannot give is ``None``, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from runtime_core.chips import INFERENTIA, Chip
from runtime_core.histogram import Histogram


class CoreMemory(NamedTuple):
    """Device memory used by one runtime on one NeuronCore, in bytes by category."""

    constants: int | None = None
    model_code: int | None = None
    model_shared_scratchpad: int | None = None
    runtime_memory: int | None = None
    tensors: int | None = None

    @property
    def total_bytes(self) -> int | None:
        """Sum of the categories that are known; ``None`` when none is."""
        return sum_known(self)


class HostMemory(NamedTuple):
    """Host memory used by one runtime, in bytes by category."""

    application_memory: int | None = None
    constants: int | None = None
    dma_buffers: int | None = None
    tensors: int | None = None

    @property
    def total_bytes(self) -> int | None:
        """Sum of the categories that are known; ``None`` when none is."""
        return sum_known(self)


class SubgraphDeviceMemory(NamedTuple):
    """Device memory of one subgraph, in bytes by category."""

    constants: int = 0
    model_code: int = 0
    runtime_memory: int = 0
    tensors: int = 0


class CoreStatusCounts(NamedTuple):
    """Executions and failures of one NeuronCore by status, as the driver's sysfs names them; cumulative."""

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
    """One runtime on one NeuronCore. ``busy_ns`` and ``flops`` count a running execution for the part already done.

    Attributes:
        part_busy_ns: ``busy_ns`` of each physical core of a logical one, ascending; empty for a core that is not
            divided. ``busy_ns`` is then their mean.
    """

    busy_ns: int | None
    flops: int | None
    inference_count: int | None
    model_load_count: int | None
    memory: CoreMemory
    status: CoreStatusCounts
    part_busy_ns: tuple[int | None, ...] = ()


class ExecutionCounts(NamedTuple):
    """Executions of one runtime by outcome; cumulative."""

    completed: int = 0
    completed_with_err: int = 0
    completed_with_num_err: int = 0
    timed_out: int = 0
    incorrect_input: int = 0
    failed_to_queue: int = 0


class ErrorCounts(NamedTuple):
    """Execution errors of one runtime by class; cumulative."""

    generic: int = 0
    numerical: int = 0
    transient: int = 0
    model: int = 0
    runtime: int = 0
    hardware: int = 0


class CpuTimes(NamedTuple):
    """CPU seconds that a process has used."""

    user_seconds: float
    system_seconds: float


class Subgraph(NamedTuple):
    """The part of a model that one NeuronCore holds. ``core`` is the global index, ``device`` its Neuron Device."""

    name: str
    core: int
    device: int
    host_memory: HostMemory
    device_memory: SubgraphDeviceMemory


class Model(NamedTuple):
    """A loaded model; ``running`` is true for a started network and false for one in standby."""

    model_id: int
    name: str
    uuid: str
    running: bool
    subgraphs: tuple[Subgraph, ...]


class Runtime(NamedTuple):
    """One runtime process (an application on Runtime 2.x, or a neuron-rtd).

    Attributes:
        pid: process id; ``start_ns`` makes it unique over pid reuse (CLOCK_MONOTONIC of its init, nanoseconds).
        time_ns: when this runtime's figures were read (CLOCK_MONOTONIC); rates divide by differences of it.
        tag: ``NEURON_PROCESS_TAG`` or the pid as text.
        address: gRPC address of a neuron-rtd, "" for a 2.x application.
        cores: global NeuronCore index -> use; its keys are the cores it owns.
        executions, errors, total_latency, device_latency, host_memory, cpu: ``None`` where the source
            does not provide it.
        error: why the figures could not be read ("" when fine); then the counters are ``None`` or empty.
        devices: indices of devices it holds open; only from a source that knows devices apart from cores (sysfs).
        framework: that the process named to the runtime, such as ``PyTorch 1.13``; "" when it named none.
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
        """What identifies this runtime among all that ever ran."""
        return self.pid, self.start_ns

    def uses(self, device: Device) -> bool:
        """Whether it owns a core of ``device`` or holds it open."""
        return device.index in self.devices or any(core in self.cores for core in device.core_ids)


class EccCounts(NamedTuple):
    """ECC events of one device; cumulative. ``None`` where the driver does not count them."""

    mem_ecc_corrected: int | None = None
    mem_ecc_uncorrected: int | None = None
    sram_ecc_corrected: int | None = None
    sram_ecc_uncorrected: int | None = None
    mem_ecc_repairable_uncorrected: int | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """One Neuron Device (chip).

    Attributes:
        index: device number; its cores are ``core_ids`` (global indices of logical NeuronCores).
        bdf: PCI address in full domain form, ``None`` where unknown.
        connected: neighbours in firmware order (East first on Inferentia, without meaning elsewhere); empty when there
            is none, or when they cannot be read.
        east, west: the neighbour over that link, or ``None``; only Inferentia names its links so.
        memory_total_bytes, memory_used_bytes: device memory; used is the sum over live runtimes, or what the driver
            counts for the whole device (sysfs).
        cpu_affinity, numa_node: nearness on the host, ``None`` where unknown.
        link_east_bytes, link_west_bytes: traffic sent over the links, cumulative.
        cores: global core index -> everything that core counted since the driver was loaded, for whatever process;
            empty from a source that counts by process (the simulated node).
        chip: what kind of device it is.
        physical_cores_per_core: how many physical NeuronCores make one of ``core_ids`` (the logical NeuronCore
            configuration, LNC); 1 where a core is just a core.
        down_links, slow_links: neighbours to which nothing can be sent, or only slowly; empty where the source does
            not tell the state of links.
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
        """Version of a core as neuron-monitor reports it: ``v3d`` for two joined cores of version ``v3``."""
        return f"{self.chip.core_version}d" if self.physical_cores_per_core > 1 else self.chip.core_version


class VcpuTimes(NamedTuple):
    """Seconds one vCPU (or all together) spent by kind; cumulative since boot."""

    user: float
    nice: float
    system: float
    idle: float
    io_wait: float
    irq: float
    soft_irq: float


class Host(NamedTuple):
    """The host's own figures, by psutil; a recording may be without them.

    Under a virtual clock they are those of the simulated host: its vCPUs, and no more of its memory than the size of
    the instance. ``None``: not available.
    """

    time_ns: int
    vcpus: tuple[VcpuTimes, ...]
    context_switches: int | None
    memory_total_bytes: int | None
    memory_used_bytes: int | None
    swap_total_bytes: int | None
    swap_used_bytes: int | None


class Instance(NamedTuple):
    """Identity of the instance; an unknown field is ""."""

    instance_type: str
    instance_id: str
    instance_name: str = ""
    availability_zone: str = ""
    availability_zone_id: str = ""
    region: str = ""
    ami_id: str = ""
    subnet_id: str = ""


class Snapshot(NamedTuple):
    """The node at one time.

    Attributes:
        time_ns: CLOCK_MONOTONIC when the reading began; ``wall_time_ns``: the same as Unix time.
        source: where it was read, e.g. ``sim:/run/user/1000/neuron-sim``.
        driver_version: of the Neuron driver, "" where unknown.
        runtimes: live ones, in the order in which they started.
        host: ``None`` unless asked for.
        missing_devices: those that should be there and are not; empty where the source cannot tell.
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
        """Global NeuronCore index -> the runtime that owns it, for owned cores."""
        return {core: runtime for runtime in self.runtimes for core in runtime.cores}

    def unattributed_memory_bytes(self, device: Device) -> int | None:
        """Device memory in use on ``device`` that no runtime of this snapshot accounts for.

        ``None`` when the device's use is unknown, or that of a runtime on it.
        """
        if device.memory_used_bytes is None:
            return None
        owned = [runtime.cores[core].memory.total_bytes for runtime in self.runtimes for core in runtime.cores
                 if core in device.core_ids]  # fmt: skip
        known = [used for used in owned if used is not None]
        return None if len(known) < len(owned) else max(0, device.memory_used_bytes - sum(known))


def sum_known(values: tuple[int | None, ...]) -> int | None:
    """Sum of those that are known; ``None`` when none is."""
    known = [v for v in values if v is not None]
    return sum(known) if known else None
