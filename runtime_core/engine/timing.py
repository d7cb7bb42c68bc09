"""How long the chip would take: a roofline over each instruction, an overhead for each node and execution.

Every constant has a unit and a source; those marked "assumed" are not published and stand for the order of magnitude.
"""

from __future__ import annotations

from typing import NamedTuple

from runtime_core.instance import CORES_PER_DEVICE
from runtime_core.neff.graph import ITEM_BYTES, DType, EngineKind, Graph, Instruction, Node, NodeKind, TensorSpec

CHIP_HALF_FLOPS = 64e12
"""FP16/BF16 FLOP/s of a chip (contracts/hardware.md)."""
CORE_HALF_FLOPS = CHIP_HALF_FLOPS / CORES_PER_DEVICE
CORE_SINGLE_FLOPS = CORE_HALF_FLOPS / 4
"""FP32 FLOP/s of a core's PE array: four passes of half precision (assumed)."""
CORE_VECTOR_FLOPS = 0.5e12
"""FLOP/s of the ACT and POOL engines together, element-wise work (assumed: 1/32 of the PE array)."""
DRAM_BYTES_PER_SECOND = 50 * 1024**3
"""DRAM bandwidth of a chip, shared by its four cores (contracts/hardware.md)."""
ON_CHIP_BYTES = 16 * 1024**2
"""Software-managed memory of a core: a tensor that fits in half of it needs no trip to DRAM (assumed)."""
NODE_OVERHEAD_NS = 20_000
"""Starting a node's instruction streams and collecting its completion (assumed)."""
EXECUTION_OVERHEAD_NS = 60_000
"""Queueing an execution and reporting its end, on the host (assumed)."""
LINK_BYTES_PER_SECOND = 32 * 1024**3
"""NeuronLink-v1, chip to chip (contracts/hardware.md)."""
VCPU_FLOPS = 5e9
"""FLOP/s that a CPU node reaches on one vCPU (assumed)."""


class NodeTiming(NamedTuple):
    """Modelled cost of one node.

    Attributes:
        flops: floating-point operations.
        duration_ns: time on its core when 1, 2, 3 or 4 cores of the chip are active.
        output_bytes: what it hands to other nodes or to the caller.
    """

    flops: int
    duration_ns: tuple[int, ...]
    output_bytes: int


def _engine_seconds(instruction: Instruction, operand: DType) -> float:
    if instruction.engine is EngineKind.PE:
        rate = CORE_HALF_FLOPS if ITEM_BYTES[operand] <= ITEM_BYTES[DType.BFLOAT16] else CORE_SINGLE_FLOPS
        return instruction.flops / rate
    return instruction.flops / CORE_VECTOR_FLOPS


def instruction_seconds(node: Node, active_cores: int = 1) -> list[float]:
    """Modelled time of each instruction of a Neuron node: the longer of its engine's and its DRAM traffic's.

    Parameters are read from DRAM at every execution; activations only when they do not fit on chip.

    Args:
        node: a Neuron node.
        active_cores: cores of the chip that share its DRAM bandwidth, this one included.
    """
    specs: dict[str, TensorSpec] = {t.name: t for t in (*node.inputs, *node.outputs, *node.buffers)}
    constants: dict[str, TensorSpec] = {p.spec.name: p.spec for p in node.parameters}
    outside = {t.name for t in (*node.inputs, *node.outputs)}
    seconds = []
    for instruction in node.instructions:
        traffic = 0
        operand = DType.FLOAT32
        for name in (*instruction.inputs, *instruction.outputs):
            if name in constants:
                traffic += constants[name].size_bytes
                operand = min(operand, constants[name].dtype, key=lambda d: ITEM_BYTES[d])
            elif name in specs:
                spilled = specs[name].size_bytes > ON_CHIP_BYTES // 2
                traffic += specs[name].size_bytes if spilled or name in outside else 0
        if instruction.attributes.get("cast"):
            operand = DType.BFLOAT16
        seconds.append(max(_engine_seconds(instruction, operand), traffic * active_cores / DRAM_BYTES_PER_SECOND))
    return seconds


def time_node(node: Node) -> NodeTiming:
    """Model one node; a CPU node is taken to touch each element of its tensors once."""
    output_bytes = sum(t.size_bytes for t in node.outputs)
    if node.kind is NodeKind.CPU:
        elements = sum(t.element_count for t in (*node.inputs, *node.outputs))
        duration = NODE_OVERHEAD_NS + round(elements / VCPU_FLOPS * 1e9)
        return NodeTiming(0, (duration,) * CORES_PER_DEVICE, output_bytes)
    durations = tuple(
        NODE_OVERHEAD_NS + round(sum(instruction_seconds(node, active)) * 1e9)
        for active in range(1, CORES_PER_DEVICE + 1)
    )
    return NodeTiming(node.flops, durations, output_bytes)


def link_transfer_ns(size_bytes: int, hops: int) -> int:
    """Time of a transfer over ``hops`` East/West links, store and forward."""
    return round(size_bytes / LINK_BYTES_PER_SECOND * 1e9) * hops


def estimate_device_ns(graph: Graph) -> int:
    """Device time of one execution on an otherwise idle chip: the sum over the Neuron nodes."""
    return sum(time_node(n).duration_ns[0] for n in graph.nodes if n.kind is NodeKind.NEURON)
