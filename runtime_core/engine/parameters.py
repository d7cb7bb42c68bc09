"""The figures that the timing model works with: each with its unit and where it comes from, in this one place.

"fitted" figures were found on the published rows by ``python -m benchmarks published_fit`` (``docs/timing.md``);
"assumed" figures are not published for this chip and stand for the order of magnitude.
"""

from __future__ import annotations

from typing import NamedTuple

from runtime_core.instance import CORES_PER_DEVICE

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
LINK_BYTES_PER_SECOND = 32 * 1024**3
"""NeuronLink-v1, chip to chip (contracts/hardware.md)."""


class TimingParameters(NamedTuple):
    """What is not published about the chip and its host.

    Attributes:
        pass_overhead_cycles: PE cycles to load a weight tile and drain the array, for every tile and bank (fitted).
        vector_flops_per_second: ACT or POOL, element-wise work: 128 lanes at 1 GHz (assumed).
        move_bytes_per_second: DMA rings of a core rearranging data, read and written bytes together (fitted).
        on_chip_bytes: software-managed memory of a core (assumed).
        weight_buffer_bytes: part of it that weights are read into ahead of their use (assumed).
        instruction_overhead_seconds: semaphores and DMA latency of a macro-instruction (fitted).
        node_overhead_seconds: starting a node's instruction streams and collecting its completion (assumed).
        execution_overhead_seconds: the runtime and framework around an execution, on the host (fitted).
        staging_bytes_per_second: one host thread copying IFMAPs or OFMAPs to and from the device's layout (fitted).
        pcie_bytes_per_second: between host and chip, PCIe 3.0 x8 (assumed).
        vcpu_elements_per_second: tensor elements a CPU node touches on one vCPU (assumed).
    """

    pass_overhead_cycles: float = 192.0
    vector_flops_per_second: float = 128e9
    move_bytes_per_second: float = 100 * 1024**3
    on_chip_bytes: int = 16 * 1024**2
    weight_buffer_bytes: int = 4 * 1024**2
    instruction_overhead_seconds: float = 8e-6
    node_overhead_seconds: float = 20e-6
    execution_overhead_seconds: float = 0.6e-3
    staging_bytes_per_second: float = 0.45e9
    pcie_bytes_per_second: float = 7.9e9
    vcpu_elements_per_second: float = 5e9


PARAMETERS = TimingParameters()
