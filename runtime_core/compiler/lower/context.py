"""What a lowering rule uses: the operator, its attributes, and the module that receives the instructions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from runtime_core.compiler.ir import Array, Module, Op
from runtime_core.neff.graph import AttributeValue, DType, EngineKind

if TYPE_CHECKING:
    from onnx import NodeProto


class Unsupported(Exception):
    """A NeuronCore cannot run this operator; the message gives the reason."""


class Window(NamedTuple):
    """Steps between windows, steps within one, and padding (begins, then ends), each by spatial dimension."""

    strides: list[int]
    dilations: list[int]
    pads: list[int]


class Lowering:
    """One operator while it is lowered to instructions."""

    def __init__(self, module: Module, node: NodeProto) -> None:
        """Lower ``node`` of ``module``."""
        import onnx

        self.module = module
        self.node = node
        self.opset = module.opset
        self.inputs = list(node.input)
        # An output that nothing reads is not computed.
        self.outputs = [o if i == 0 or o in module.read else "" for i, o in enumerate(node.output)]
        while len(self.outputs) > 1 and not self.outputs[-1]:
            self.outputs.pop()
        self._attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        self.ops: list[Op] = []

    def has(self, name: str) -> bool:
        """Whether the operator has the attribute."""
        return name in self._attributes

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        return int(self._attributes.get(name, default))

    def number(self, name: str, default: float) -> float:
        """A float attribute."""
        return float(self._attributes.get(name, default))

    def integers(self, name: str, default: list[int] | None = None) -> list[int] | None:
        """A list of integers, or ``default``."""
        value = self._attributes.get(name)
        return default if value is None else [int(v) for v in value]

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        value = self._attributes.get(name)
        return default if value is None else bytes(value).decode()

    def texts(self, name: str) -> list[bytes]:
        """A list of strings; empty if the attribute is missing."""
        return [bytes(v) for v in self._attributes.get(name, [])]

    def input(self, index: int) -> str:
        """Name of an input; "" if it is omitted."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def shape(self, index: int = 0) -> tuple[int, ...]:
        """Shape of an input."""
        return self.module.shape(self.inputs[index])

    def out_shape(self, index: int = 0) -> tuple[int, ...]:
        """Shape of an output."""
        return self.module.shape(self.outputs[index])

    def dtype(self, index: int = 0) -> DType:
        """Element type of an input."""
        return self.module.specs[self.inputs[index]].dtype

    def out_elements(self, index: int = 0) -> int:
        """Elements of an output."""
        return self.module.specs[self.outputs[index]].element_count

    def constant(self, index: int) -> Array | None:
        """Value of an input; ``None`` if it is not known when compiling."""
        name = self.input(index)
        return self.module.constant(name) if name else None

    def known_integers(self, index: int, what: str) -> list[int] | None:
        """An integer vector input; ``None`` if it is omitted.

        Raises:
            Unsupported: it is only known when the model runs.
        """
        if not self.input(index):
            return None
        value = self.constant(index)
        if value is None:
            raise Unsupported(f"{what} is only known at run time")
        return [int(v) for v in np.asarray(value).reshape(-1)]

    def emit(
        self,
        engine: EngineKind,
        opcode: str,
        inputs: list[str],
        outputs: list[str],
        *,
        flops: int = 0,
        **attributes: AttributeValue,
    ) -> None:
        """Append an instruction."""
        source = self.node.name or self.node.op_type
        self.ops.append(Op(engine, opcode, inputs, outputs, dict(attributes), flops, source))

    def window(self, kernel: list[int]) -> Window:
        """How a kernel slides over the spatial dimensions of the first input."""
        rank = len(kernel)
        strides = self.integers("strides") or [1] * rank
        dilations = self.integers("dilations") or [1] * rank
        auto_pad = self.text("auto_pad", "NOTSET")
        pads = _spatial_padding(auto_pad, self.integers("pads"), self.shape()[2:], kernel, strides, dilations)
        return Window(strides, dilations, pads)

    def require_float(self, index: int = 0) -> None:
        """Require floating-point data."""
        if self.dtype(index) not in (DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16):
            raise Unsupported(f"no engine computes {self.node.op_type} on {self.dtype(index).value}")

    def require_elements(self) -> None:
        """Require elements: an engine cannot search an empty row for its largest value."""
        if not all(self.shape()):
            raise Unsupported(f"{self.inputs[0]!r} has no elements")


def _spatial_padding(
    auto_pad: str,
    pads: list[int] | None,
    shape: tuple[int, ...],
    kernel: list[int],
    strides: list[int],
    dilations: list[int],
) -> list[int]:
    """Explicit padding, begins then ends, from ``auto_pad`` or ``pads``."""
    rank = len(kernel)
    if auto_pad in ("", "NOTSET"):
        return pads or [0] * (2 * rank)
    if auto_pad == "VALID":
        return [0] * (2 * rank)
    begins, ends = [], []
    for size, k, s, d in zip(shape, kernel, strides, dilations, strict=True):
        total = max(0, (-(-size // s) - 1) * s + (k - 1) * d + 1 - size)
        small, large = total // 2, total - total // 2
        begins.append(small if auto_pad == "SAME_UPPER" else large)
        ends.append(large if auto_pad == "SAME_UPPER" else small)
    return begins + ends


class Rule(NamedTuple):
    """How an operator becomes instructions.

    Attributes:
        engine: which engine does the work.
        lower: emits the instructions, or raises :class:`Unsupported`.
        limits: conditions for the engine, as a phrase; other uses of the operator run on a CPU node. "": none.
    """

    engine: EngineKind
    lower: Callable[[Lowering], None]
    limits: str = ""
