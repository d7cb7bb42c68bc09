"""DMA: the bytes move, the values stay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runtime_core.engine.numerics.types import Array, Attributes, Kernel, Maker, integers, number, rounded
from runtime_core.neff.graph import DType


def _reshape(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    shape = integers(attributes, "shape")
    return lambda x: x.reshape(shape)


def _transpose(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    perm = integers(attributes, "perm")
    # Not ascontiguousarray: that makes a scalar a vector of one.
    return lambda x: np.asarray(np.transpose(x, perm), order="C")


def _concat(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    axis = integers(attributes, "axis")[0]
    return lambda *parts: np.concatenate(parts, axis=axis)


def _split(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    axis = integers(attributes, "axis")[0]
    borders = np.cumsum(integers(attributes, "sizes"))[:-1]
    return lambda x: tuple(np.split(x, borders, axis=axis))


def _range(size: int, start: int, end: int, step: int) -> slice:
    """A slice with ONNX's bounds, which it cuts to the axis where Python's start before it is no element at all."""
    start, end = (bound + size if bound < 0 else bound for bound in (start, end))
    if step > 0:
        return slice(min(max(start, 0), size), min(max(end, 0), size), step)
    if size == 0:
        return slice(0, 0)
    end = min(max(end, -1), size - 1)
    return slice(min(max(start, 0), size - 1), None if end < 0 else end, step)


def _slice(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    bounds = list(zip(*(integers(attributes, n) for n in ("axes", "starts", "ends", "steps")), strict=True))

    def cut(x: Array) -> Array:
        index = [slice(None)] * x.ndim
        for axis, start, end, step in bounds:
            index[axis] = _range(x.shape[axis], start, end, step)
        return x[tuple(index)]

    return cut


def _gather(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    axis = integers(attributes, "axis")[0]
    return lambda x, indices: np.take(x, indices, axis=axis)


def _expand(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    shape = integers(attributes, "shape")
    return lambda x: np.broadcast_to(x, shape)


def _tile(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    repeats = integers(attributes, "repeats")
    return lambda x: np.tile(x, repeats)


def _pad(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    pads = integers(attributes, "pads")
    rank = len(pads) // 2
    widths = [(pads[i], pads[rank + i]) for i in range(rank)]
    value = number(attributes, "value")
    match attributes.get("mode"):
        case "reflect":
            return lambda x: np.pad(x, widths, "reflect")
        case "edge":
            return lambda x: np.pad(x, widths, "edge")
        case _:
            return lambda x: np.pad(x, widths, "constant", constant_values=value)


def _cast(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    dtype = DType(str(attributes["to"]))
    return lambda x: rounded(x, dtype)


def _copy(_attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    return lambda x: x


KERNELS: dict[str, Maker] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "concat": _concat,
    "split": _split,
    "slice": _slice,
    "gather": _gather,
    "expand": _expand,
    "tile": _tile,
    "pad": _pad,
    "cast": _cast,
    "copy": _copy,
}
