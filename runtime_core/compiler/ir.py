"""The compiler's representation of a model: operations on named values of known type and shape."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from numpy.typing import NDArray

from runtime_core.neff.graph import AttributeValue, DType, EngineKind, TensorSpec

if TYPE_CHECKING:
    from onnx import NodeProto

# Element types depend on the model, so arithmetic on constants is not typed.
Array: TypeAlias = NDArray[Any]


@dataclass
class Op:
    """One operation. ``node`` is set if no NeuronCore can run the operator, which then runs on a CPU node."""

    engine: EngineKind
    opcode: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, AttributeValue] = field(default_factory=dict)
    flops: int = 0
    source: str = ""
    node: NodeProto | None = None
    reason: str = ""


@dataclass
class Module:
    """A model while it is compiled.

    Attributes:
        name: name of the model.
        opset: ONNX operator set version of the default domain.
        inputs, outputs: names of the graph's inputs and outputs.
        specs: type and shape of every value for which they are known when compiling.
        open_specs: the largest shape of values whose shape is only known at run time.
        constants: values that are known when compiling.
        ops: operations, in an order in which every value is written before it is read.
        read: names that operators read, and the graph's outputs.
        sequences: values whose first dimension is the number of steps, and not a batch.
        notes: what a user of the compiled model needs to know.
    """

    name: str
    opset: int
    inputs: list[str]
    outputs: list[str]
    specs: dict[str, TensorSpec] = field(default_factory=dict)
    open_specs: dict[str, TensorSpec] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    sequences: set[str] = field(default_factory=set)
    notes: tuple[str, ...] = ()
    _counter: int = 0

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a value."""
        return self.specs[name].shape

    def constant(self, name: str) -> Array | None:
        """Return a value; ``None`` if it is not known when compiling."""
        return self.constants.get(name)

    def add_constant(self, hint: str, value: Array) -> str:
        """Add a constant under a new name."""
        name = self.fresh(hint)
        self.constants[name] = value
        self.specs[name] = TensorSpec(name, DType(value.dtype.name), tuple(value.shape))
        return name

    def add_value(self, hint: str, dtype: DType, shape: Iterable[int]) -> str:
        """Add an intermediate value under a new name."""
        name = self.fresh(hint)
        self.specs[name] = TensorSpec(name, dtype, tuple(shape))
        return name

    def fresh(self, hint: str) -> str:
        """Return a name that no value has."""
        while True:
            self._counter += 1
            name = f"{hint}.{self._counter}"
            if name not in self.specs:
                return name

    def use_counts(self) -> dict[str, int]:
        """Return how often each value is read; an output of the graph counts as one more read."""
        counts: dict[str, int] = {}
        for op in self.ops:
            for name in op.inputs:
                counts[name] = counts.get(name, 0) + 1
        for name in self.outputs:
            counts[name] = counts.get(name, 0) + 1
        return counts
