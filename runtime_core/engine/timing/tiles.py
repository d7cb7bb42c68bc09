"""Division of products and convolutions into passes of the PE array: columns stream past a tile of weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from runtime_core.engine.timing.parameters import (
    CORE_HALF_FLOPS,
    PE_CLOCK_HZ,
    PE_COLUMNS,
    PE_ROWS,
    SINGLE_PASSES,
    TimingParameters,
)
from runtime_core.neff.graph import ITEM_BYTES, DType, Instruction, TensorSpec

_HALF_BYTES = ITEM_BYTES[DType.BFLOAT16]


class Product(NamedTuple):
    """A matrix product from the view of the array.

    Attributes:
        products: independent products (heads, groups, samples with their own weights).
        inner: length of the contraction.
        outer: output columns; each tile holds up to 128.
        columns: vectors that stream past each tile.
        taps: positions of a convolution's window; they extend the contraction if its channels leave rows idle.
    """

    products: int
    inner: int
    outer: int
    columns: int
    taps: int = 1

    @property
    def tiles(self) -> int:
        """Return the number of weight tiles of all products."""
        if self.inner < PE_ROWS:
            rows = _pieces(self.inner * self.taps, PE_ROWS)
        else:
            rows = self.taps * _pieces(self.inner, PE_ROWS)
        return self.products * rows * _pieces(self.outer, PE_COLUMNS)

    def cycles(self, parameters: TimingParameters) -> float:
        """Return the array cycles in half precision; each pass loads its tile of weights again."""
        passes = _pieces(self.columns, parameters.pass_columns)
        return self.tiles * (self.columns + passes * parameters.pass_overhead_cycles)


def pe_seconds(instruction: Instruction, specs: Mapping[str, TensorSpec], parameters: TimingParameters) -> float:
    """Return the time of a PE instruction from its tiles; at least that of its FLOPs at the published rate.

    Args:
        instruction: an instruction of the PE engine.
        specs: specs of its inputs and outputs.
        parameters: parameters of the model.
    """
    passes = SINGLE_PASSES if _operand_bytes(instruction, specs) > _HALF_BYTES else 1
    product = _product(instruction, specs)
    cycles = product.cycles(parameters) if product is not None else 0.0
    return max(cycles / PE_CLOCK_HZ, instruction.flops / CORE_HALF_FLOPS) * passes


def _pieces(extent: int, size: int) -> int:
    return -(-extent // size)


def _operand_bytes(instruction: Instruction, specs: Mapping[str, TensorSpec]) -> int:
    """Return the item size of the product: that of the type it rounds to, or else of the widest operand."""
    if instruction.attributes.get("cast"):
        return _HALF_BYTES
    return max((ITEM_BYTES[specs[n].dtype] for n in instruction.inputs[:2] if n in specs), default=_HALF_BYTES)


def _product(instruction: Instruction, specs: Mapping[str, TensorSpec]) -> Product | None:
    """Return the product that an instruction computes; ``None`` for malformed or empty shapes."""
    names = (*instruction.inputs[:2], instruction.outputs[0])
    if any(name not in specs for name in names):
        return None
    shapes = [specs[name].shape for name in names]
    if any(0 in shape for shape in shapes):
        return None
    try:
        if instruction.opcode == "einsum":
            return _einsum(str(instruction.attributes.get("equation", "")), shapes)
        describe = _DESCRIBED.get(instruction.opcode)
        return describe(instruction, *shapes) if describe is not None else None
    except (IndexError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


_Shape = tuple[int, ...]


def _groups(instruction: Instruction) -> int:
    group = instruction.attributes.get("group", 1)
    return group if isinstance(group, int) else 1


def _conv(instruction: Instruction, data: _Shape, weight: _Shape, out: _Shape) -> Product:
    group = _groups(instruction)
    columns = out[0] * math.prod(out[2:])
    return Product(group, weight[1], weight[0] // group, columns, math.prod(weight[2:]))


def _conv_transpose(instruction: Instruction, data: _Shape, weight: _Shape, out: _Shape) -> Product:
    group = _groups(instruction)
    columns = data[0] * math.prod(data[2:])
    return Product(group, weight[0] // group, weight[1] * math.prod(weight[2:]), columns)


def _gemm(instruction: Instruction, a: _Shape, b: _Shape, out: _Shape) -> Product:
    return Product(1, a[0] if instruction.attributes.get("trans_a") else a[1], out[-1], math.prod(out[:-1]))


def _matmul(instruction: Instruction, a: _Shape, b: _Shape, out: _Shape) -> Product:
    if len(b) < 3:
        outer = b[-1] if len(b) == 2 else 1
        return Product(1, a[-1], outer, math.prod(out) // outer)
    rows = a[-2] if len(a) > 1 else 1
    return Product(math.prod(b[:-2]), a[-1], b[-1], rows * max(1, math.prod(a[:-2]) // math.prod(b[:-2])))


_DESCRIBED = {"conv": _conv, "conv_transpose": _conv_transpose, "gemm": _gemm, "matmul": _matmul}


def _einsum(equation: str, shapes: list[_Shape]) -> Product | None:
    terms, _, result = equation.replace(" ", "").partition("->")
    left, comma, right = terms.partition(",")
    if not comma:
        return None
    extents = {**dict(zip(left, shapes[0], strict=True)), **dict(zip(right, shapes[1], strict=True))}

    def size(letters: set[str]) -> int:
        return math.prod(extents[letter] for letter in letters)

    a, b, out = set(left), set(right), set(result)
    return Product(size(a & b & out), size((a & b) - out), size((b - a) & out), size((a - b) & out))
