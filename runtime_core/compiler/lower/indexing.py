"""Operators that gather, scatter, sort or resample elements. They run as DMA with descriptors, or on POOL."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from runtime_core.compiler.lower.context import Lowering, Rule, Unsupported
from runtime_core.neff.graph import EngineKind

_COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")


def _gather(opcode: str, lo: Lowering) -> None:
    attributes = {"batch_dims": lo.integer("batch_dims", 0)} if opcode == "gather_nd" else {"axis": _axis(lo, 0)}
    lo.emit(EngineKind.DMA, opcode, lo.inputs[:2], lo.outputs[:1], **attributes)


def _scatter(opcode: str, lo: Lowering) -> None:
    reduction = lo.text("reduction", "none")
    if reduction not in ("none", "add", "mul", "max", "min"):
        raise Unsupported(f"the reduction {reduction!r}")
    axis = {} if opcode == "scatter_nd" else {"axis": _axis(lo, 0)}
    lo.emit(EngineKind.DMA, opcode, lo.inputs[:3], lo.outputs[:1], reduction=reduction, **axis)


def _axis(lo: Lowering, default: int) -> int:
    return lo.integer("axis", default) % max(1, len(lo.shape()))


def _trilu(lo: Lowering) -> None:
    diagonal = lo.known_integers(1, "the diagonal") or [0]
    lo.emit(EngineKind.POOL, "trilu", lo.inputs[:1], lo.outputs[:1], diagonal=diagonal[0], upper=lo.integer("upper", 1))


def _cumsum(lo: Lowering) -> None:
    axis = lo.known_integers(1, "the axis")
    if not axis:
        raise Unsupported("its axis is missing")
    lo.emit(
        EngineKind.POOL,
        "cumsum",
        lo.inputs[:1],
        lo.outputs[:1],
        flops=lo.out_elements(),
        axis=axis[0] % len(lo.shape()),
        exclusive=lo.integer("exclusive", 0),
        reverse=lo.integer("reverse", 0),
    )


def _top_k(lo: Lowering) -> None:
    count = [lo.integer("k", 0)] if lo.has("k") else lo.known_integers(1, "the count")
    names = list(lo.node.output)
    if not count or len(names) != 2 or not all(names):
        raise Unsupported("its count or one of its outputs is missing")
    size = lo.shape()[_axis(lo, -1)]
    lo.emit(
        EngineKind.POOL,
        "top_k",
        lo.inputs[:1],
        names,
        flops=math.prod(lo.shape()) * max(1, math.ceil(math.log2(max(2, size)))),
        axis=_axis(lo, -1),
        k=count[0],
        largest=lo.integer("largest", 1),
    )


def _one_hot(lo: Lowering) -> None:
    depth = lo.known_integers(1, "the depth")
    if not depth:
        raise Unsupported("its depth is missing")
    lo.emit(
        EngineKind.POOL,
        "one_hot",
        [lo.input(0), lo.input(2)],
        lo.outputs[:1],
        depth=depth[0],
        axis=lo.integer("axis", -1) % len(lo.out_shape()),
    )


def _hardmax(lo: Lowering) -> None:
    """Before operator set 13, everything from ``axis`` on is one row."""
    lo.require_float()
    lo.require_elements()
    if lo.opset >= 13:
        lo.emit(EngineKind.POOL, "hardmax", lo.inputs[:1], lo.outputs[:1], flops=lo.out_elements(), axis=_axis(lo, -1))
        return
    shape, axis = lo.shape(), _axis(lo, 1)
    flat = [math.prod(shape[:axis]), math.prod(shape[axis:])]
    rows, marked = (lo.module.add_value(f"{lo.outputs[0]}.{name}", lo.dtype(), flat) for name in ("rows", "marked"))
    lo.emit(EngineKind.DMA, "reshape", lo.inputs[:1], [rows], shape=[*flat])
    lo.emit(EngineKind.POOL, "hardmax", [rows], [marked], flops=lo.out_elements(), axis=1)
    lo.emit(EngineKind.DMA, "reshape", [marked], lo.outputs[:1], shape=[*shape])


def _resize(lo: Lowering) -> None:
    """Resize with nearest or linear interpolation, from the inferred sizes.

    Before operator set 11 the rounding is not specified. The onnx package's tests and ONNX Runtime round down where
    an axis grows and up where it shrinks.
    """
    lo.require_float()
    old = lo.opset < 11
    mode = lo.text("mode", "nearest")
    coordinates = lo.text("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    refused = [
        name
        for name, used in (
            (f"mode {mode}", mode not in (("nearest",) if old else ("nearest", "linear"))),
            (f"coordinates {coordinates}", coordinates not in _COORDINATES),
            ("antialiasing", lo.integer("antialias", 0) == 1),
            ("a kept aspect ratio", lo.text("keep_aspect_ratio_policy", "stretch") != "stretch"),
        )
        if used
    ]
    if refused:
        raise Unsupported(" and ".join(refused))
    lo.require_elements()
    before, after = lo.shape(), lo.out_shape()
    axes = lo.integers("axes") or list(range(len(before)))
    given = lo.constant(1 if old else 2) if lo.input(1 if old else 2) else None
    if not old and lo.input(2) and given is None:
        raise Unsupported("its scales are only known at run time")
    scales = [a / b for a, b in zip(after, before, strict=True)]
    if given is not None and given.size:
        for axis, scale in zip(axes, np.asarray(given, np.float64).reshape(-1), strict=True):
            scales[axis] = float(scale)
    elif lo.has("scales"):
        raise Unsupported("an operator set before 9")
    lo.emit(
        EngineKind.POOL,
        "resize",
        lo.inputs[:1],
        lo.outputs[:1],
        flops=(1 if mode == "nearest" else 2 * len(after)) * lo.out_elements(),
        mode=mode,
        coordinates=coordinates,
        nearest=lo.text("nearest_mode", "outwards" if old else "round_prefer_floor"),
        scales=[*scales],
        in_shape=[*before],
        out_shape=[*after],
    )


RULES: dict[str, Rule] = {
    "GatherElements": Rule(EngineKind.DMA, partial(_gather, "gather_elements")),
    "GatherND": Rule(EngineKind.DMA, partial(_gather, "gather_nd")),
    "ScatterElements": Rule(EngineKind.DMA, partial(_scatter, "scatter_elements")),
    "Scatter": Rule(EngineKind.DMA, partial(_scatter, "scatter_elements")),
    "ScatterND": Rule(EngineKind.DMA, partial(_scatter, "scatter_nd")),
    "Trilu": Rule(EngineKind.POOL, _trilu, "diagonal known when compiling"),
    "CumSum": Rule(EngineKind.POOL, _cumsum, "axis known when compiling"),
    "TopK": Rule(EngineKind.POOL, _top_k, "count known when compiling, both outputs"),
    "OneHot": Rule(EngineKind.POOL, _one_hot, "depth known when compiling"),
    "Hardmax": Rule(EngineKind.POOL, _hardmax, "floats"),
    "Resize": Rule(
        EngineKind.POOL, _resize, "floats; nearest and linear; no antialiasing, cropping or kept aspect ratio"
    ),
    "Upsample": Rule(EngineKind.POOL, _resize, "floats; nearest"),
}
