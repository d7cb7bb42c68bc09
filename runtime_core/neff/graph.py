"""The content of a NEFF: a graph of Neuron and CPU nodes, their instructions and parameters, as immutable records.

Values flow by name: a node's input is a graph input or the output of one other node. The records are msgspec
Structs, so the archive's JSON is validated field by field as it is decoded.
"""

from __future__ import annotations

import enum
from typing import TypeAlias

import msgspec

AttributeValue: TypeAlias = int | float | str | list[int | float | str]


class DType(enum.StrEnum):
    """Element types of tensors, by their NumPy (ml_dtypes for bfloat16) names."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT64 = "float64"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    BOOL = "bool"


ITEM_BYTES: dict[DType, int] = {
    DType.FLOAT32: 4, DType.FLOAT16: 2, DType.BFLOAT16: 2, DType.FLOAT64: 8,
    DType.INT8: 1, DType.UINT8: 1, DType.INT16: 2, DType.UINT16: 2,
    DType.INT32: 4, DType.UINT32: 4, DType.INT64: 8, DType.UINT64: 8, DType.BOOL: 1,
}  # fmt: skip


class EngineKind(enum.StrEnum):
    """The engines of a NeuronCore, and the DMA rings that feed them."""

    PE = "pe"
    ACT = "act"
    POOL = "pool"
    DMA = "dma"


class NodeKind(enum.StrEnum):
    """The processor that runs a node of the graph."""

    NEURON = "neuron"
    CPU = "cpu"


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Name, element type and shape of a tensor; a scalar has the shape ``()``.

    ``at_most``: an execution may produce a smaller one, with the same number of dimensions.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    at_most: bool = False

    @property
    def element_count(self) -> int:
        """Number of elements."""
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    @property
    def size_bytes(self) -> int:
        """Bytes of the tensor, densely packed."""
        return self.element_count * ITEM_BYTES[self.dtype]


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A constant of a Neuron node: the offset of its bytes in the node's ``params.bin`` (C order, little endian)."""

    spec: TensorSpec
    offset_bytes: int


class Instruction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One macro-instruction of an engine.

    Attributes:
        engine: which engine executes it.
        opcode: the operation, e.g. ``conv``, ``matmul``, ``relu``, ``max_pool``, ``transpose``.
        inputs: names of node inputs, parameters or earlier outputs; ``""`` for an omitted optional one.
        outputs: names written, each declared in the node's ``buffers`` or ``outputs``.
        attributes: constants of the operation.
        flops: floating-point operations (a multiply-add counts two).
        source: the name of the operator it was lowered from, for profiles and messages.
    """

    engine: EngineKind
    opcode: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, AttributeValue] = {}
    flops: int = 0
    source: str = ""


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A node of the graph.

    Attributes:
        name: unique in the graph.
        kind: Neuron (instructions for one NeuronCore) or CPU (an ONNX subgraph, stored as ``model.onnx``).
        inputs, outputs: the tensors that it reads and writes, by graph-wide names.
        core: the model-relative index of the NeuronCore it is placed on (0-based; CPU nodes: 0, unused).
        instructions: in an order in which every name is written before it is read.
        parameters: constants, at ascending offsets.
        buffers: scratch tensors that exist only inside the node.
        params_bytes: size of the node's ``params.bin``.
    """

    name: str
    kind: NodeKind
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    core: int = 0
    instructions: tuple[Instruction, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    buffers: tuple[TensorSpec, ...] = ()
    params_bytes: int = 0

    @property
    def flops(self) -> int:
        """Floating-point operations of one execution."""
        return sum(i.flops for i in self.instructions)


class Graph(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The whole model: ``nodes`` in an order in which every tensor is written before it is read.

    Attributes:
        name: the model's name.
        inputs, outputs: the IFMAPs and OFMAPs.
        nodes: Neuron and CPU nodes.
        core_count: NeuronCores that the nodes are placed on.
        batch: the batch that the model was compiled for (0: no batch axis).
        dynamic_batch: an execution may have any number of samples.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    nodes: tuple[Node, ...]
    core_count: int = 1
    batch: int = 0
    dynamic_batch: bool = False
