"""Picking and placing by index, sorting, resampling: whole arrays at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from runtime_core.engine.numerics.types import Array, Attributes, Kernel, Maker, integers, number


def _flag(attributes: Attributes, name: str) -> bool:
    return bool(attributes.get(name, 0))


def _along(shape: tuple[int, ...], indices: Array, axis: int) -> tuple[Array, ...]:
    """Coordinates in an array of ``shape`` of elements whose place on ``axis`` is ``indices``; negatives count back."""
    places: list[Array] = list(np.indices(indices.shape, sparse=True))
    places[axis] = np.where(indices < 0, indices + shape[axis], indices)
    return tuple(places)


def _gather_elements(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    axis = integers(attributes, "axis")[0]
    return lambda x, indices: x[_along(x.shape, indices, axis)]


def _gather_nd(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    shared = integers(attributes, "batch_dims")[0]

    def gather_nd(x: Array, indices: Array) -> Array:
        lead = indices.shape[:shared]
        ahead: Sequence[Array] = np.indices(lead, sparse=True) if shared else ()
        stretch = (1,) * (indices.ndim - 1 - shared)
        return x[(*(a.reshape(*a.shape, *stretch) for a in ahead), *np.moveaxis(indices, -1, 0))]

    return gather_nd


_REDUCTIONS: dict[str, np.ufunc] = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _placer(attributes: Attributes) -> Callable[[Array, tuple[Array, ...], Array], None]:
    """Puts updates at places; with a reduction, several at one place all count."""
    reduction = _REDUCTIONS.get(str(attributes.get("reduction", "none")))

    def place(target: Array, where: tuple[Array, ...], updates: Array) -> None:
        if reduction is None:
            target[where] = updates
        else:
            reduction.at(target, where, updates)

    return place


def _scatter_elements(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    axis, place = integers(attributes, "axis")[0], _placer(attributes)

    def scatter(x: Array, indices: Array, updates: Array) -> Array:
        y = x.copy()
        place(y, _along(x.shape, indices, axis), updates)
        return y

    return scatter


def _scatter_nd(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    place = _placer(attributes)

    def scatter_nd(x: Array, indices: Array, updates: Array) -> Array:
        y = x.copy()
        place(y, tuple(np.moveaxis(indices, -1, 0)), updates)
        return y

    return scatter_nd


def _trilu(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    diagonal, upper = integers(attributes, "diagonal")[0], _flag(attributes, "upper")
    return lambda x: np.triu(x, diagonal) if upper else np.tril(x, diagonal)


def _cumsum(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    axis = integers(attributes, "axis")[0]
    exclusive, reverse = _flag(attributes, "exclusive"), _flag(attributes, "reverse")

    def cumsum(x: Array) -> Array:
        x = np.flip(x, axis) if reverse else x
        y = np.cumsum(x, axis=axis, dtype=x.dtype)
        if exclusive:
            y = np.roll(y, 1, axis)
            y[(slice(None),) * axis + (slice(0, 1),)] = 0
        return np.flip(y, axis) if reverse else y

    return cumsum


def _top_k(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    axis, count = integers(attributes, "axis")[0], integers(attributes, "k")[0]
    largest = bool(attributes.get("largest", 1))

    def top_k(x: Array) -> tuple[Array, Array]:
        # Of equal values the one with the lower index comes first: a stable sort, of the negative for the largest.
        key = np.argsort(-x if largest and x.dtype.kind == "f" else x, axis=axis, kind="stable")
        if largest and x.dtype.kind != "f":
            size = x.shape[axis]
            key = size - 1 - np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)
        chosen = np.take(key, np.arange(count), axis=axis)
        return np.take_along_axis(x, chosen, axis), chosen.astype(np.int64)

    return top_k


def _one_hot(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    depth, axis = integers(attributes, "depth")[0], integers(attributes, "axis")[0]

    def one_hot(indices: Array, values: Array) -> Array:
        wanted = np.expand_dims(np.where(indices < 0, indices + depth, indices), axis)
        shape = [1] * wanted.ndim
        shape[axis] = depth
        return np.where(wanted == np.arange(depth).reshape(shape), values[1], values[0])

    return one_hot


def _hardmax(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    axis = integers(attributes, "axis")[0]

    def hardmax(x: Array) -> Array:
        y = np.zeros_like(x)
        np.put_along_axis(y, np.expand_dims(np.argmax(x, axis=axis), axis), 1, axis)
        return y

    return hardmax


def _origins(size: int, out: int, scale: float, coordinates: str) -> Array:
    """Where each output element lies among the input's, by the coordinate formulas of ONNX's Resize.

    In FP32 and in ONNX Runtime's order of operations: a position half-way between two elements is rounded as there.
    """
    x, half, by, length = np.arange(out, dtype=np.float32), np.float32(0.5), np.float32(scale), np.float32(size)
    match coordinates:
        case "align_corners":
            return x * np.float32(size - 1) / np.float32(out - 1) if out > 1 else np.zeros(out, np.float32)
        case "asymmetric":
            return x / by
        case "pytorch_half_pixel" if out == 1:
            return np.zeros(out, np.float32)
        case "half_pixel_symmetric":
            offset = length / 2 * (1 - np.float32(out) / (by * length))
            return offset + (x + half) / by - half
        case _:
            return (x + half) / by - half


def _nearest(origins: Array, rule: str, size: int) -> Array:
    match rule:
        case "floor":
            picked = np.floor(origins)
        case "ceil":
            picked = np.ceil(origins)
        case "round_prefer_ceil":
            picked = np.floor(origins + 0.5)
        case _:
            picked = np.ceil(origins - 0.5)
    return np.clip(picked, 0, size - 1).astype(np.int64)


def _resize(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    """Axis by axis: nearest picks, linear mixes two neighbours."""
    before, after = integers(attributes, "in_shape"), integers(attributes, "out_shape")
    scales = attributes["scales"]
    if not isinstance(scales, list):
        raise TypeError("scales: expected a list")
    linear, rule = attributes["mode"] == "linear", str(attributes["nearest"])
    steps: list[tuple[int, Array, Array, Array]] = []
    for axis, (size, out) in enumerate(zip(before, after, strict=True)):
        scale = number({"scale": scales[axis]}, "scale")
        if size == out and scale == 1:
            continue
        origins = _origins(size, out, scale, str(attributes["coordinates"]))
        shape = [1] * len(before)
        shape[axis] = out
        if linear:
            low = np.floor(origins)
            share = (origins - low).astype(np.float32).reshape(shape)
            first, second = (np.clip(low + i, 0, size - 1).astype(np.int64) for i in (0, 1))
            steps.append((axis, first, second, share))
        else:
            picked = _nearest(origins, ("ceil" if scale < 1 else "floor") if rule == "outwards" else rule, size)
            steps.append((axis, picked, picked, np.zeros(shape, np.float32)))

    def resize(x: Array) -> Array:
        for axis, first, second, share in steps:
            near = np.take(x, first, axis=axis)
            x = near + (np.take(x, second, axis=axis) - near) * share if linear else near
        return x

    return resize


KERNELS: dict[str, Maker] = {
    "gather_elements": _gather_elements,
    "gather_nd": _gather_nd,
    "scatter_elements": _scatter_elements,
    "scatter_nd": _scatter_nd,
    "trilu": _trilu,
    "cumsum": _cumsum,
    "top_k": _top_k,
    "one_hot": _one_hot,
    "hardmax": _hardmax,
    "resize": _resize,
}
