"""The report of a compilation: where each operator runs, and the reason for each one on the CPU."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from runtime_core.compiler.ir import Module, Op
from runtime_core.neff.graph import NodeKind

if TYPE_CHECKING:
    from onnx import NodeProto


class NodeReport(msgspec.Struct, frozen=True):
    """One node of the NEFF.

    Attributes:
        name, kind, core: as in the NEFF.
        operations: number of instructions by opcode; for a CPU node, of operators by type.
        flops: floating-point operations per execution; for CPU operators an estimate from their shapes.
    """

    name: str
    kind: NodeKind
    core: int
    operations: dict[str, int]
    flops: int


class CpuOperator(msgspec.Struct, frozen=True):
    """An operator that runs on the CPU: its node, its name in the model, its type, and the reason."""

    node: str
    name: str
    operator: str
    reason: str


class CompileReport(msgspec.Struct, frozen=True):
    """The nodes in order, the operators on the CPU, and notes for users of the compiled model."""

    nodes: list[NodeReport]
    cpu_operators: list[CpuOperator]
    notes: list[str] = []

    @property
    def neuron_flop_ratio(self) -> float | None:
        """Share of the FLOPs on NeuronCores, 0..1; ``None`` if the model has no FLOPs."""
        total = sum(n.flops for n in self.nodes)
        if not total:
            return None
        return sum(n.flops for n in self.nodes if n.kind is NodeKind.NEURON) / total


def describe_node(module: Module, name: str, kind: NodeKind, core: int, ops: Sequence[Op]) -> NodeReport:
    """Return the report of a node from its operations."""
    counts = Counter(op.node.op_type if op.node is not None else op.opcode for op in ops)
    flops = sum(op.flops if op.node is None else cpu_flops(module, op.node) for op in ops)
    return NodeReport(name, kind, core, dict(counts.most_common()), flops)


def cpu_operators(name: str, ops: Sequence[Op]) -> list[CpuOperator]:
    """Return the operators of a CPU node with their reasons."""
    return [CpuOperator(name, op.source, op.node.op_type, op.reason) for op in ops if op.node is not None]


def cpu_flops(module: Module, node: NodeProto) -> int:
    """Estimate the FLOPs of an operator: multiply-adds for products, else one per element of the output.

    Shapes that are only known at run time count as 0.
    """
    shapes = [module.specs[n].shape if n in module.specs else () for n in node.input]
    outputs = [module.specs[n].element_count for n in node.output if n in module.specs]
    if node.op_type in ("Conv", "ConvInteger", "QLinearConv", "DeformConv"):
        weight = shapes[3] if node.op_type == "QLinearConv" else shapes[1]
        return 2 * sum(outputs) * math.prod(weight[1:])
    if node.op_type in ("MatMul", "MatMulInteger", "QLinearMatMul", "Gemm") and shapes[0]:
        return 2 * sum(outputs) * shapes[0][-1]
    if node.op_type in ("LSTM", "GRU", "RNN") and len(shapes) > 2 and shapes[0]:
        samples = math.prod(shapes[0][:2])
        return 2 * samples * (math.prod(shapes[1]) + math.prod(shapes[2]))
    return sum(outputs)
