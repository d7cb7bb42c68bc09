"""Operators of the PE array: convolutions and matrix products."""

from __future__ import annotations

import math

from runtime_core.compiler.lower.context import Lowering, Rule, Unsupported
from runtime_core.neff.graph import EngineKind


def spatial_padding(
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


def _conv(lo: Lowering) -> None:
    lo.require_float()
    weight = lo.shape(1)
    rank = len(weight) - 2
    if rank < 1:
        raise Unsupported("the weights have no spatial dimension")
    kernel = lo.integers("kernel_shape") or list(weight[2:])
    strides = lo.integers("strides") or [1] * rank
    dilations = lo.integers("dilations") or [1] * rank
    pads = spatial_padding(
        lo.text("auto_pad", "NOTSET"), lo.integers("pads"), lo.shape()[2:], kernel, strides, dilations
    )
    lo.emit(
        EngineKind.PE,
        "conv",
        [lo.input(0), lo.input(1), *([lo.input(2)] if lo.input(2) else [])],
        lo.outputs[:1],
        flops=2 * lo.out_elements() * math.prod(weight[1:]),
        strides=[*strides],
        dilations=[*dilations],
        pads=[*pads],
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
