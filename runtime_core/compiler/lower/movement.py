"""Operators that move data: DMA work, no arithmetic."""

from __future__ import annotations

import numpy as np

from runtime_core.compiler.lower.context import Lowering, Rule, Unsupported
from runtime_core.neff.graph import DType, EngineKind

_FAR = 1 << 62


def _reshape(lo: Lowering) -> None:
    """Reshape, Flatten, Squeeze, Unsqueeze: only the shape changes, and it was inferred."""
    if len(lo.inputs) > 1 and lo.input(1) and lo.constant(1) is None:
        raise Unsupported("its shape is only known at run time")
    lo.emit(EngineKind.DMA, "reshape", lo.inputs[:1], lo.outputs[:1], shape=[*lo.out_shape()])


def _transpose(lo: Lowering) -> None:
    perm = lo.integers("perm") or list(range(len(lo.shape())))[::-1]
    lo.emit(EngineKind.DMA, "transpose", lo.inputs[:1], lo.outputs[:1], perm=[*perm])


def _concat(lo: Lowering) -> None:
    rank = len(lo.out_shape())
    lo.emit(EngineKind.DMA, "concat", lo.inputs, lo.outputs[:1], axis=lo.integer("axis", 1) % rank)


def _split(lo: Lowering) -> None:
    axis = lo.integer("axis", 0) % len(lo.shape())
    outputs = list(lo.node.output)
    sizes = [lo.module.shape(name)[axis] for name in outputs]
    lo.emit(EngineKind.DMA, "split", lo.inputs[:1], outputs, axis=axis, sizes=[*sizes])


def _slice(lo: Lowering) -> None:
    if lo.opset < 10:
        starts, ends, axes = lo.integers("starts"), lo.integers("ends"), lo.integers("axes")
        steps = None
    else:
        starts = lo.known_integers(1, "the start")
        ends = lo.known_integers(2, "the end")
        axes = lo.known_integers(3, "the list of axes")
        steps = lo.known_integers(4, "the step")
    if starts is None or ends is None:
        raise Unsupported("its bounds are missing")
    axes = axes if axes is not None else list(range(len(starts)))
    rank = len(lo.shape())
    lo.emit(
        EngineKind.DMA,
        "slice",
        lo.inputs[:1],
        lo.outputs[:1],
        starts=[max(-_FAR, min(_FAR, s)) for s in starts],
        ends=[max(-_FAR, min(_FAR, e)) for e in ends],
        axes=[a % rank for a in axes],
        steps=[*(steps or [1] * len(starts))],
    )


def _gather(lo: Lowering) -> None:
    lo.emit(EngineKind.DMA, "gather", lo.inputs[:2], lo.outputs[:1], axis=lo.integer("axis", 0) % len(lo.shape()))


def _expand(lo: Lowering) -> None:
    if lo.constant(1) is None:
        raise Unsupported("its shape is only known at run time")
    lo.emit(EngineKind.DMA, "expand", lo.inputs[:1], lo.outputs[:1], shape=[*lo.out_shape()])


def _tile(lo: Lowering) -> None:
    repeats = lo.known_integers(1, "the number of repeats")
    lo.emit(EngineKind.DMA, "tile", lo.inputs[:1], lo.outputs[:1], repeats=[*(repeats or [])])


def _pad(lo: Lowering) -> None:
    mode = lo.text("mode", "constant")
    if mode not in ("constant", "reflect", "edge") or lo.input(3):
        raise Unsupported(f"padding mode {mode}, or explicit axes")
    pads = lo.integers("pads") if lo.has("pads") else lo.known_integers(1, "the padding")
    if pads is None or min(pads, default=0) < 0:
        raise Unsupported("negative padding")
    value = lo.number("value", 0.0)
    if lo.input(2):
        known = lo.constant(2)
        if known is None:
            raise Unsupported("its value is only known at run time")
        value = float(np.asarray(known).reshape(-1)[0])
    lo.emit(EngineKind.DMA, "pad", lo.inputs[:1], lo.outputs[:1], pads=[*pads], mode=mode, value=value)


def _cast(lo: Lowering) -> None:
    target = lo.module.specs[lo.outputs[0]].dtype
    if DType.FLOAT64 in (target, lo.dtype()):
        raise Unsupported("no engine computes float64")
    lo.emit(EngineKind.DMA, "cast", lo.inputs[:1], lo.outputs[:1], to=target.value)


def _blocks(lo: Lowering, split: list[int], perm: list[int]) -> None:
    """Move blocks between the channels and the image: reshape, transpose, reshape."""
    dtype = lo.dtype()
    apart = lo.module.add_value(f"{lo.outputs[0]}.apart", dtype, split)
    turned = lo.module.add_value(f"{lo.outputs[0]}.turned", dtype, [split[axis] for axis in perm])
    lo.emit(EngineKind.DMA, "reshape", lo.inputs[:1], [apart], shape=[*split])
    lo.emit(EngineKind.DMA, "transpose", [apart], [turned], perm=[*perm])
    lo.emit(EngineKind.DMA, "reshape", [turned], lo.outputs[:1], shape=[*lo.out_shape()])


def _depth_to_space(lo: Lowering) -> None:
    batch, channels, height, width = lo.shape()
    size = lo.integer("blocksize", 1)
    rest = channels // size**2
    if lo.text("mode", "DCR") == "CRD":
        _blocks(lo, [batch, rest, size, size, height, width], [0, 1, 4, 2, 5, 3])
    else:
        _blocks(lo, [batch, size, size, rest, height, width], [0, 3, 4, 1, 5, 2])


def _space_to_depth(lo: Lowering) -> None:
    batch, channels, height, width = lo.shape()
    size = lo.integer("blocksize", 1)
    split = [batch, channels, height // size, size, width // size, size]
    _blocks(lo, split, [0, 1, 3, 5, 2, 4] if lo.text("mode", "DCR") == "CRD" else [0, 3, 5, 1, 2, 4])


_SHAPE = "shape known when compiling"

RULES: dict[str, Rule] = {
    "Reshape": Rule(EngineKind.DMA, _reshape, _SHAPE),
    "Flatten": Rule(EngineKind.DMA, _reshape),
    "Squeeze": Rule(EngineKind.DMA, _reshape, "axes known when compiling"),
    "Unsqueeze": Rule(EngineKind.DMA, _reshape, "axes known when compiling"),
    "Transpose": Rule(EngineKind.DMA, _transpose),
    "Concat": Rule(EngineKind.DMA, _concat),
    "Split": Rule(EngineKind.DMA, _split, "sizes known when compiling"),
    "Slice": Rule(EngineKind.DMA, _slice, "bounds known when compiling"),
    "Gather": Rule(EngineKind.DMA, _gather),
    "Expand": Rule(EngineKind.DMA, _expand, _SHAPE),
    "Tile": Rule(EngineKind.DMA, _tile, "repeats known when compiling"),
    "Pad": Rule(EngineKind.DMA, _pad, "constant, reflect, edge; all axes; padding known when compiling, not negative"),
    "Cast": Rule(EngineKind.DMA, _cast, "not from or to float64"),
    "DepthToSpace": Rule(EngineKind.DMA, _depth_to_space),
    "SpaceToDepth": Rule(EngineKind.DMA, _space_to_depth),
}
