"""Operators of the PE array: convolutions and matrix products."""

from __future__ import annotations

import math

from runtime_core.compiler.lower.context import Lowering, Rule, Unsupported
from runtime_core.neff.graph import EngineKind


def _conv(lo: Lowering) -> None:
    lo.require_float()
    weight = lo.shape(1)
    rank = len(weight) - 2
    if rank < 1:
        raise Unsupported("the weights have no spatial dimension")
    kernel = lo.integers("kernel_shape") or list(weight[2:])
    window = lo.window(kernel)
    lo.emit(
        EngineKind.PE,
        "conv",
        [lo.input(0), lo.input(1), *([lo.input(2)] if lo.input(2) else [])],
        lo.outputs[:1],
        flops=2 * lo.out_elements() * math.prod(weight[1:]),
        strides=[*window.strides],
        dilations=[*window.dilations],
        pads=[*window.pads],
        group=lo.integer("group", 1),
    )


def _gemm(lo: Lowering) -> None:
    lo.require_float()
    a = lo.shape(0)
    inner = a[0] if lo.integer("transA", 0) else a[1]
    lo.emit(
        EngineKind.PE,
        "gemm",
        [lo.input(0), lo.input(1), *([lo.input(2)] if lo.input(2) else [])],
        lo.outputs[:1],
        flops=2 * lo.out_elements() * inner,
        alpha=lo.number("alpha", 1.0),
        beta=lo.number("beta", 1.0),
        trans_a=lo.integer("transA", 0),
        trans_b=lo.integer("transB", 0),
    )


def _matmul(lo: Lowering) -> None:
    lo.require_float()
    lo.emit(
        EngineKind.PE,
        "matmul",
        lo.inputs[:2],
        lo.outputs[:1],
        flops=2 * lo.out_elements() * lo.shape(0)[-1],
    )


def _conv_transpose(lo: Lowering) -> None:
    lo.require_float()
    weight = lo.shape(1)
    rank = len(weight) - 2
    if rank < 1:
        raise Unsupported("the weights have no spatial dimension")
    kernel = lo.integers("kernel_shape") or list(weight[2:])
    strides = lo.integers("strides") or [1] * rank
    dilations = lo.integers("dilations") or [1] * rank
    extra = lo.integers("output_padding") or [0] * rank
    out = lo.out_shape()[2:]
    pads = lo.integers("pads") or [0] * (2 * rank)
    auto_pad = lo.text("auto_pad", "NOTSET")
    if lo.integers("output_shape") or auto_pad not in ("", "NOTSET"):
        # The output's size is known: the excess is cut off on both sides, and the padding mode decides which side
        # loses an odd element.
        begins, ends = [], []
        for size, o, k, s, d, e in zip(lo.shape()[2:], out, kernel, strides, dilations, extra, strict=True):
            total = max(0, (size - 1) * s + e + (k - 1) * d + 1 - o)
            small, large = total // 2, total - total // 2
            begins.append(small if auto_pad == "SAME_UPPER" else large)
            ends.append(large if auto_pad == "SAME_UPPER" else small)
        pads = begins + ends
    lo.emit(
        EngineKind.PE,
        "conv_transpose",
        [lo.input(0), lo.input(1), *([lo.input(2)] if lo.input(2) else [])],
        lo.outputs[:1],
        flops=2 * math.prod(lo.shape()) * math.prod(weight[1:]),
        strides=[*strides],
        dilations=[*dilations],
        pads=[*pads],
        out_shape=[*out],
        group=lo.integer("group", 1),
    )


def _einsum(lo: Lowering) -> None:
    lo.require_float()
    equation = lo.text("equation", "").replace(" ", "")
    if "..." in equation or not 1 <= len(lo.inputs) <= 2:
        raise Unsupported("an ellipsis, or more than two operands")
    extents: dict[str, int] = {}
    for position, term in enumerate(equation.partition("->")[0].split(",")):
        extents.update(zip(term, lo.shape(position), strict=False))
    lo.emit(
        EngineKind.PE,
        "einsum",
        lo.inputs,
        lo.outputs[:1],
        flops=2 * math.prod(extents.values()),
        equation=equation,
    )


RULES: dict[str, Rule] = {
    "Conv": Rule(EngineKind.PE, _conv, "floats, with a spatial dimension"),
    "Gemm": Rule(EngineKind.PE, _gemm, "floats"),
    "MatMul": Rule(EngineKind.PE, _matmul, "floats"),
    "ConvTranspose": Rule(EngineKind.PE, _conv_transpose, "floats, with a spatial dimension"),
    "Einsum": Rule(EngineKind.PE, _einsum, "floats, one or two operands, no ellipsis"),
}
