"""The compiler's own form of a model: operations over named values of known type and shape."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from numpy.typing import NDArray

from runtime_core.neff.graph import AttributeValue, DType, EngineKind, TensorSpec

if TYPE_CHECKING:
    from onnx import NodeProto

# Element types are only known from the model, so arithmetic on constants is not typed.
Array: TypeAlias = NDArray[Any]


@dataclass
class Op:
    """One operation. ``node`` is set for an operator that no NeuronCore runs: it goes to a CPU node unchanged."""

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
    """A model on its way through the compiler.

    Attributes:
        name: the model's.
        opset: ONNX operator set version of the default domain.
        inputs, outputs: names of the graph's inputs and outputs.
        specs: type and shape of every value that has them when compiling.
        open_specs: the largest shape of values whose shape is only known at run time.
        constants: values that are known.
        ops: in an order in which every value is made before it is used.
        read: names that some operator or the graph's outputs read.
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
    notes: tuple[str, ...] = ()
    _counter: int = 0

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a value."""
        return self.specs[name].shape

    def constant(self, name: str) -> Array | None:
        """The value where it is known, else ``None``."""
        return self.constants.get(name)

    def add_constant(self, hint: str, value: Array) -> str:
        """Enter a constant under a fresh name."""
        name = self.fresh(hint)
        self.constants[name] = value
        self.specs[name] = TensorSpec(name, DType(value.dtype.name), tuple(value.shape))
        return name

    def add_value(self, hint: str, dtype: DType, shape: Iterable[int]) -> str:
        """Enter an intermediate value under a fresh name."""
        name = self.fresh(hint)
        self.specs[name] = TensorSpec(name, dtype, tuple(shape))
        return name

    def fresh(self, hint: str) -> str:
        """A name that no value has."""
        while True:
            self._counter += 1
            name = f"{hint}.{self._counter}"
            if name not in self.specs:
                return name

    def use_counts(self) -> dict[str, int]:
        """How often each value is read; a graph output counts once more."""
        counts: dict[str, int] = {}
        for op in self.ops:
            for name in op.inputs:
                counts[name] = counts.get(name, 0) + 1
        for name in self.outputs:
            counts[name] = counts.get(name, 0) + 1
        return counts
