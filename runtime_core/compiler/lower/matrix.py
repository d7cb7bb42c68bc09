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


RULES: dict[str, Rule] = {"Conv": _conv, "Gemm": _gemm, "MatMul": _matmul}
