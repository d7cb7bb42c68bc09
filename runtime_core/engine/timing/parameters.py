"""The figures that the timing model works with: each with its unit and where it comes from, in this one place.

"fitted" figures were found on the published rows by ``python -m benchmarks published_fit`` (see ``timing.md``);
"assumed" figures are not published for this chip and stand for the order of magnitude.
"""

from __future__ import annotations

from typing import NamedTuple

from runtime_core.instance import CORES_PER_DEVICE, DRAM_CHANNELS

CHIP_HALF_FLOPS = 64e12
"""FP16/BF16 FLOP/s of a chip (contracts/hardware.md)."""
CORE_HALF_FLOPS = CHIP_HALF_FLOPS / CORES_PER_DEVICE
SINGLE_PASSES = 4
"""Passes of half precision that an FP32 product takes (NKI documentation, NeuronCore-v2)."""
CORE_SINGLE_FLOPS = CORE_HALF_FLOPS / SINGLE_PASSES
PE_ROWS = PE_COLUMNS = 128
"""The PE array: elements of the contraction by output channels (NKI documentation, NeuronCore-v2)."""
PE_CLOCK_HZ = CORE_HALF_FLOPS / (2 * PE_ROWS * PE_COLUMNS)
"""Cycles/s at which an array of that size reaches the published rate."""
PSUM_COLUMNS = 512
"""FP32 results a partition that one accumulation bank holds: a longer product is cut (NKI documentation)."""
DRAM_BYTES_PER_SECOND = 50 * 1024**3
"""DRAM bandwidth of a chip, shared by its active cores (contracts/hardware.md)."""
CHANNEL_BYTES_PER_SECOND = DRAM_BYTES_PER_SECOND / DRAM_CHANNELS
"""Bandwidth of one of its two channels, an equal part of it."""
LINK_BYTES_PER_SECOND = 32 * 1024**3
"""NeuronLink-v1, chip to chip (contracts/hardware.md)."""
PCIE_BYTES_PER_SECOND = 7.9e9
"""Between host and chip (assumed: PCIe 3.0 x8)."""


class TimingParameters(NamedTuple):
    """What is not published about the chip and its host.

    Attributes:
        pass_overhead_cycles: PE cycles of a tile and bank beside its columns: 128 to load, 128 to drain (assumed).
        vector_flops_per_second: ACT or POOL, element-wise work: 128 lanes at 1 GHz (assumed).
        move_bytes_per_second: DMA rings of a core rearranging data, read and written bytes together (fitted).
        on_chip_bytes: software-managed memory of a core (assumed: as large as NeuronCore-v2's, NKI documentation).
        transfer_buffer_bytes: part of it that is read into ahead of use, and written from behind it (assumed).
        instruction_overhead_seconds: semaphores and DMA latency of a macro-instruction (fitted).
        node_overhead_seconds: starting a node's instruction streams: as an instruction's (assumed).
        execution_overhead_seconds: the runtime and framework around an execution, on the host (fitted).
        layout_bytes_per_second: one host thread laying IFMAPs out for the chip's partitions (fitted).
        copy_bytes_per_second: one host thread copying OFMAPs, which come in order (assumed).
        vcpu_elements_per_second: tensor elements a CPU node touches on one vCPU (assumed).
    """

    pass_overhead_cycles: float = 256.0
    vector_flops_per_second: float = 128e9
    move_bytes_per_second: float = 109e9
    on_chip_bytes: int = 24 * 1024**2
    transfer_buffer_bytes: int = 4 * 1024**2
    instruction_overhead_seconds: float = 5.0e-6
    node_overhead_seconds: float = 5e-6
    execution_overhead_seconds: float = 0.74e-3
    layout_bytes_per_second: float = 0.24e9
    copy_bytes_per_second: float = 5e9
    vcpu_elements_per_second: float = 5e9


PARAMETERS = TimingParameters()
