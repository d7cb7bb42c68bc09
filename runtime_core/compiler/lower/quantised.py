"""Quantised operators: integer products on the PE array, scaling on POOL."""

from __future__ import annotations

import math

from runtime_core.compiler.lower.context import Lowering, Rule, Unsupported
from runtime_core.neff.graph import DType, EngineKind

_BYTES = (DType.INT8, DType.UINT8)
_INTEGERS = (*_BYTES, DType.INT16, DType.UINT16, DType.INT32)


def _axis(lo: Lowering) -> int:
    """The dimension along which the scales vary."""
    if lo.integer("block_size", 0):
        raise Unsupported("scales per block")
    if len(lo.shape(1)) > 1:
        raise Unsupported("scales of several dimensions")
    rank = len(lo.shape())
    return lo.integer("axis", 1) % rank if rank else 0


def _quantize(lo: Lowering) -> None:
    lo.require_float()
    target = lo.module.specs[lo.outputs[0]].dtype
    if target not in _INTEGERS or lo.dtype(1) is not DType.FLOAT32:
        raise Unsupported(f"{lo.dtype(1).value} scales to {target.value}")
    inputs = [name for name in lo.inputs[:3] if name]
    flops = 2 * lo.out_elements()
    lo.emit(EngineKind.POOL, "quantize", inputs, lo.outputs[:1], flops=flops, axis=_axis(lo), to=target.value)


def _dequantize(lo: Lowering) -> None:
    if lo.dtype() not in _INTEGERS or lo.dtype(1) is not DType.FLOAT32:
        raise Unsupported(f"{lo.dtype().value} with {lo.dtype(1).value} scales")
    inputs = [name for name in lo.inputs[:3] if name]
    lo.emit(EngineKind.POOL, "dequantize", inputs, lo.outputs[:1], flops=2 * lo.out_elements(), axis=_axis(lo))


def _zero_points(lo: Lowering, left: int, right: int) -> list[str]:
    """The names of the zero points. Omitted ones at the end are dropped; an omitted first one is ""."""
    names = [lo.input(left), lo.input(right)]
    for index, axis_length in ((left, None), (right, 1)):
        if lo.input(index) and len(lo.shape(index)) > (axis_length or 0) and math.prod(lo.shape(index)) > 1:
            raise Unsupported("zero points of several dimensions, or per row")
    while names and not names[-1]:
        names.pop()
    return names


def _require_bytes(lo: Lowering, *indices: int) -> None:
    for index in indices:
        if lo.dtype(index) not in _BYTES:
            raise Unsupported(f"products of {lo.dtype(index).value}")


def _conv(lo: Lowering, weight: int, zero_points: list[str], target: str) -> None:
    extents = lo.shape(weight)
    if len(extents) < 3:
        raise Unsupported("the weights have no spatial dimension")
    window = lo.window(lo.integers("kernel_shape") or list(extents[2:]))
    lo.emit(
        EngineKind.PE,
        "conv_integer",
        [lo.inputs[0], lo.inputs[weight], *zero_points],
        [target],
        flops=2 * lo.out_elements() * math.prod(extents[1:]),
        strides=[*window.strides],
        dilations=[*window.dilations],
        pads=[*window.pads],
        group=lo.integer("group", 1),
    )


def _matmul(lo: Lowering, right: int, zero_points: list[str], target: str) -> None:
    flops = 2 * lo.out_elements() * lo.shape(0)[-1]
    lo.emit(EngineKind.PE, "matmul_integer", [lo.inputs[0], lo.inputs[right], *zero_points], [target], flops=flops)


def _conv_integer(lo: Lowering) -> None:
    _require_bytes(lo, 0, 1)
    _conv(lo, 1, _zero_points(lo, 2, 3), lo.outputs[0])


def _matmul_integer(lo: Lowering) -> None:
    _require_bytes(lo, 0, 1)
    _matmul(lo, 1, _zero_points(lo, 2, 3), lo.outputs[0])


def _requantize(lo: Lowering, total: str, axis: int, bias: str = "") -> None:
    for index, what in ((1, "inputs"), (6, "outputs"), (7, "outputs")):
        if math.prod(lo.shape(index)) > 1:
            raise Unsupported(f"scales of the {what} per row")
    if any(lo.dtype(index) is not DType.FLOAT32 for index in (1, 4, 6)) or len(lo.shape(4)) > 1:
        raise Unsupported("scales that are not FP32, or have several dimensions")
    lo.emit(
        EngineKind.POOL,
        "requantize",
        [total, lo.inputs[1], lo.inputs[4], lo.inputs[6], lo.inputs[7], *([bias] if bias else [])],
        lo.outputs[:1],
        flops=3 * lo.out_elements(),
        axis=axis,
        to=lo.module.specs[lo.outputs[0]].dtype.value,
    )


def _qlinear_conv(lo: Lowering) -> None:
    _require_bytes(lo, 0, 3)
    total = lo.module.add_value(f"{lo.outputs[0]}.sum", DType.INT32, lo.out_shape())
    _conv(lo, 3, _zero_points(lo, 2, 5), total)
    _requantize(lo, total, 1, lo.input(8))


def _qlinear_matmul(lo: Lowering) -> None:
    _require_bytes(lo, 0, 3)
    total = lo.module.add_value(f"{lo.outputs[0]}.sum", DType.INT32, lo.out_shape())
    _matmul(lo, 3, _zero_points(lo, 2, 5), total)
    _requantize(lo, total, -1)


RULES: dict[str, Rule] = {
    "ConvInteger": Rule(EngineKind.PE, _conv_integer, "8-bit integers"),
    "MatMulInteger": Rule(EngineKind.PE, _matmul_integer, "8-bit integers; no zero points per row"),
    "QLinearConv": Rule(EngineKind.PE, _qlinear_conv, "8-bit integers, FP32 scales"),
    "QLinearMatMul": Rule(EngineKind.PE, _qlinear_matmul, "8-bit integers; FP32 scales, not per row"),
    "QuantizeLinear": Rule(EngineKind.POOL, _quantize, "FP32 scales, not per block; to integers of 8 to 32 bits"),
    "DequantizeLinear": Rule(EngineKind.POOL, _dequantize, "FP32 scales, not per block; from integers of 8 to 32 bits"),
}
