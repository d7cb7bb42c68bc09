"""The figures of the timing model, each with its unit and source.

"Fitted" figures are fitted to the published rows by ``python -m benchmarks published_fit`` (see ``timing.md``).
"Assumed" figures are not published for this chip and are orders of magnitude.
"""

from __future__ import annotations

from typing import NamedTuple

from runtime_core.instance import CORES_PER_DEVICE, DRAM_CHANNELS

CHIP_HALF_FLOPS = 64e12
"""FP16/BF16 FLOP/s of a chip (contracts/hardware.md)."""
CORE_HALF_FLOPS = CHIP_HALF_FLOPS / CORES_PER_DEVICE
SINGLE_PASSES = 4
"""Half-precision passes for an FP32 product (NKI documentation, NeuronCore-v2)."""
CORE_SINGLE_FLOPS = CORE_HALF_FLOPS / SINGLE_PASSES
PE_ROWS = PE_COLUMNS = 128
"""Size of the PE array: elements of the contraction by output channels (NKI documentation, NeuronCore-v2)."""
PE_CLOCK_HZ = CORE_HALF_FLOPS / (2 * PE_ROWS * PE_COLUMNS)
"""Clock at which an array of that size reaches the published rate, in cycles/s."""
DRAM_BYTES_PER_SECOND = 50 * 1024**3
"""DRAM bandwidth of a chip, shared by its active cores (contracts/hardware.md)."""
CHANNEL_BYTES_PER_SECOND = DRAM_BYTES_PER_SECOND / DRAM_CHANNELS
"""Bandwidth of one of its channels: an equal share."""
LINK_BYTES_PER_SECOND = 32 * 1024**3
"""Bandwidth of NeuronLink-v1 between two chips (contracts/hardware.md)."""
PCIE_BYTES_PER_SECOND = 7.9e9
"""Bandwidth between host and chip (assumed: PCIe 3.0 x8)."""


class TimingParameters(NamedTuple):
    """Figures of the chip and its host that are not published.

    Attributes:
        pass_columns: columns streamed past a tile of weights before it is loaded again: half of an accumulation bank of
            512 FP32 results (form of the model; see ``timing.md``).
        pass_overhead_cycles: PE cycles to load and drain a tile, added to each pass (fitted).
        vector_flops_per_second: element-wise operations of ACT or POOL: 128 lanes at the array's clock (form of the
            model).
        move_bytes_per_second: DMA of a core that rearranges data, bytes read plus bytes written: a read and a write at
            the rate of DRAM (assumed).
        on_chip_bytes: software-managed memory of a core (assumed: that of NeuronCore-v2, NKI documentation).
        transfer_buffer_bytes: part of it for data that is read ahead or written in the background (assumed).
        instruction_overhead_seconds: semaphores and DMA latency of a macro-instruction (fitted).
        node_overhead_seconds: start of a node's instruction streams: as for an instruction (assumed).
        execution_overhead_seconds: work of runtime and framework per execution, on one host thread (fitted).
        layout_bytes_per_second: rate at which one host thread converts IFMAPs to the chip's layout (fitted).
        copy_bytes_per_second: rate at which one host thread copies OFMAPs, which arrive in order (assumed).
        vcpu_elements_per_second: tensor elements that a CPU node processes on one vCPU (assumed).
        hyperthread_ratio: additional throughput of the second hyperthread, relative to a physical core (assumed: the
            usual gain of two threads per core on this class of processor).
        host_jitter_ratio: mean of the exponential delay of host work, relative to that work (fitted on p99).
        device_jitter_ratio: standard deviation of a node's time on its core with all neighbours of the chip active,
            relative to that time (fitted on p99).
    """

    pass_columns: int = 256
    pass_overhead_cycles: float = 142.0
    vector_flops_per_second: float = PE_COLUMNS * PE_CLOCK_HZ
    move_bytes_per_second: float = 107e9
    on_chip_bytes: int = 24 * 1024**2
    transfer_buffer_bytes: int = 4 * 1024**2
    instruction_overhead_seconds: float = 4.9e-6
    node_overhead_seconds: float = 5e-6
    execution_overhead_seconds: float = 0.70e-3
    layout_bytes_per_second: float = 0.3235e9
    copy_bytes_per_second: float = 5e9
    vcpu_elements_per_second: float = 5e9
    hyperthread_ratio: float = 0.3
    host_jitter_ratio: float = 0.035
    device_jitter_ratio: float = 0.06


PARAMETERS = TimingParameters()
INTERVAL_RATIO = 0.20
"""Relative error of throughput and latency that most predictions stay within, for networks not used in the fit
(``python -m benchmarks published_fit``; see ``timing.md``)."""
