"""POOL and ACT over many elements: pooling, reductions, normalisation, softmax."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from runtime_core.engine.numerics.blocks import by_rows, has_rows, scratch
from runtime_core.engine.numerics.matrix import padded
from runtime_core.engine.numerics.types import Array, Attributes, Kernel, Maker, integers, number


def _pool_geometry(attributes: Attributes, shape: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Padding that makes the declared output fit, and nothing else (ceil mode reads past the end)."""
    kernel, strides, dilations, pads, out = (
        integers(attributes, n) for n in ("kernel", "strides", "dilations", "pads", "out_shape")
    )
    rank = len(kernel)
    full = list(pads)
    for i in range(rank):
        needed = (out[i] - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1
        full[rank + i] = max(0, needed - shape[2 + i] - pads[i])
    return full, out


def _pool(attributes: Attributes, combine: Callable[..., Array], neutral: float) -> Callable[[Array], Array]:
    """Combine the windows' elements: one strided view for each place in the kernel, never a loop over elements."""
    kernel, strides, dilations = (integers(attributes, n) for n in ("kernel", "strides", "dilations"))

    def pool(x: Array) -> Array:
        pads, out = _pool_geometry(attributes, x.shape)
        x = padded(x, pads, neutral)
        result: Array | None = None
        for place in itertools.product(*(range(k) for k in kernel)):
            view = x[
                (
                    slice(None),
                    slice(None),
                    *(
                        slice(p * d, p * d + (o - 1) * s + 1, s)
                        for p, d, s, o in zip(place, dilations, strides, out, strict=True)
                    ),
                )
            ]
            result = view.copy() if result is None else combine(result, view, out=result)
        if result is None:
            raise ValueError("a pooling window without elements")
        return result

    return pool


def _largest(views: list[Array], out: Array) -> None:
    if len(views) == 1:
        out[...] = views[0]
        return
    np.maximum(views[0], views[1], out=out)
    for view in views[2:]:
        np.maximum(out, view, out=out)


_DENSE_STRIDE = 2
"""Up to this stride, all lines of an image as one long row take less time than every s-th line alone."""


def _largest_lines(x: Array, out: Array, window: tuple[int, int, int, int]) -> None:
    """The largest along the first spatial dimension of ``x`` (C, *spatial), at every place of ``out``.

    Args:
        x: without padding.
        out: what takes the results.
        window: extent, stride, dilation, padding before.
    """
    extent, stride, dilation, before = window
    count, size = out.shape[1], x.shape[1]
    done = range(0)
    if extent > 1 and stride <= _DENSE_STRIDE:
        flat, shift = x.reshape(-1), dilation * math.prod(x.shape[2:])
        views = [flat[p * shift : flat.size - (extent - 1 - p) * shift] for p in range(extent)]
        lines = scratch(0, x.shape, x.dtype)
        _largest(views, lines.reshape(-1)[: views[0].size])
        # Windows that lie within the image.
        last = size - (extent - 1) * dilation - 1
        done = range(-(-before // stride), min(count, (last + before) // stride + 1))
        if done:
            starts = slice(done[0] * stride - before, done[-1] * stride - before + 1, stride)
            out[:, done[0] : done[-1] + 1] = lines[:, starts]
    for place in range(count):
        if place not in done:
            start = place * stride - before
            inside = [i for i in range(start, start + extent * dilation, dilation) if 0 <= i < size]
            if inside:
                _largest([x[:, i] for i in inside], out[:, place])
            else:
                out[:, place] = -np.inf


def _max_pool(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    """The largest of a window, one dimension after the other: the order does not matter to a maximum."""
    kernel, strides, dilations = (integers(attributes, n) for n in ("kernel", "strides", "dilations"))
    rank = len(kernel)
    # Whole lines that are left out need neither a frame nor any work in the other dimensions.
    by_lines = rank > 1 and strides[0] > 1

    def largest(x: Array, out: list[int]) -> Array:
        """Of every window; each dimension as one long row, as many short ones take longer.

        Windows that reach into the next row are computed, and not read.
        """
        cut = [slice(None)] * x.ndim
        for axis in range(2 if by_lines else 1, rank + 1):
            k, s, d = kernel[axis - 1], strides[axis - 1], dilations[axis - 1]
            cut[axis] = slice(0, (out[axis - 1] - 1) * s + 1, s)
            if k > 1:
                flat, shift = x.reshape(-1), d * math.prod(x.shape[axis + 1 :])
                views = [flat[p * shift : flat.size - (k - 1 - p) * shift] for p in range(k)]
                x = scratch(axis % 2, x.shape, x.dtype)
                _largest(views, x.reshape(-1)[: views[0].size])
        return x[tuple(cut)]

    def max_pool(x: Array) -> Array:
        pads, out = _pool_geometry(attributes, x.shape)
        result = np.empty((*x.shape[:2], *out), x.dtype)
        if not result.size:
            return result
        spatial = [size + pads[i] + pads[rank + i] for i, size in enumerate(x.shape[2:])]
        inner = [slice(pads[i], pads[i] + size) for i, size in enumerate(x.shape[2:])]
        has_frame = any(pads)
        if by_lines:
            spatial[0], inner[0] = out[0], slice(None)
            has_frame = any((*pads[1:rank], *pads[rank + 1 :]))
        # Some channels at a time, so that what one dimension makes is still near for the next.
        count = min(x.shape[1], max(1, _BLOCK // math.prod(spatial)))
        framed = scratch(2, (count, *spatial), x.dtype)
        if has_frame:
            framed.fill(-np.inf)
        for image, target in zip(x, result, strict=True):
            for start in range(0, len(image), count):
                piece = image[start : start + count]
                if has_frame or by_lines:
                    around = framed[: len(piece)]
                    if by_lines:
                        window = (kernel[0], strides[0], dilations[0], pads[0])
                        _largest_lines(piece, around[(slice(None), *inner)], window)
                    else:
                        around[(slice(None), *inner)] = piece
                    piece = around
                target[start : start + count] = largest(piece, out)
        return result

    return max_pool


_BLOCK = 1 << 18
"""Elements of the channels that a pooling treats at a time."""


def _average_pool(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    total = _pool(attributes, np.add, 0.0)
    count_pads = bool(attributes.get("count_include_pad"))
    pads = integers(attributes, "pads")
    counts: dict[tuple[int, ...], Array] = {}

    def average(x: Array) -> Array:
        spatial = x.shape[2:]
        count = counts.get(spatial)
        if count is None:
            ones = np.ones((1, 1, *spatial), x.dtype)
            # Counting the padding means that it is there as ones; what ceil mode adds behind it never counts.
            if count_pads and any(pads):
                around = padded(ones, pads, 1.0)
                inner = dict(attributes)
                inner["pads"] = [0] * len(pads)
                count = _pool(inner, np.add, 0.0)(around)
            else:
                count = total(ones)
            counts[spatial] = count
        return total(x) / count

    return average


def _axes(attributes: Attributes) -> tuple[int, ...]:
    return tuple(integers(attributes, "axes"))


def _reduction(function: Callable[..., Array]) -> Maker:
    def make(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
        axes, keep = _axes(attributes), bool(attributes.get("keep", 1))
        return lambda x: np.asarray(function(x, axis=axes, keepdims=keep)).astype(x.dtype, copy=False)

    return make


def _arg(function: Callable[..., Array]) -> Maker:
    def make(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
        axis, keep = integers(attributes, "axis")[0], bool(attributes.get("keep", 1))
        return lambda x: np.asarray(function(x, axis=axis, keepdims=keep)).astype(np.int64)

    return make


def _l2(x: Array, **options: object) -> Array:
    return np.sqrt(np.sum(np.square(x), **options))  # type: ignore[call-overload]


def _l1(x: Array, **options: object) -> Array:
    return np.sum(np.abs(x), **options)  # type: ignore[call-overload]


def _sum_square(x: Array, **options: object) -> Array:
    return np.sum(np.square(x), **options)  # type: ignore[call-overload]


def _log_sum(x: Array, **options: object) -> Array:
    return np.log(np.sum(x, **options))  # type: ignore[call-overload]


def _log_sum_exp(x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    # The largest value goes out of the exponential, or that overflows.
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    finite = np.where(np.isfinite(top), top, x.dtype.type(0))
    total = np.log(np.sum(np.exp(x - finite), axis=axis, keepdims=True)) + finite
    return total if keepdims else np.squeeze(total, axis=axis)


_SHORT_ROW = 1024
"""Elements of a row up to which sums in order are as exact as NumPy's, which take three times as long."""


def _largest_of_rows(x: Array) -> Array:
    """The largest of each row. NumPy treats one by one what its vectors leave of a row.

    ``reduceat`` takes less time for each row, but begins with the first element: the rest is longest where all others
    have none.
    """
    elements = x.shape[1]
    if elements % _LANES == 0:
        return np.asarray(np.maximum.reduce(x, axis=1, initial=-np.inf))
    return np.maximum.reduceat(x.reshape(-1), np.arange(0, x.size, elements))


_LANES = 16
"""FP32 elements of the longest vectors."""


def _softmax_rows(x: Array, out: Array) -> None:
    """Of each row. Three of the four steps have an ``axis`` in NumPy that is slower than what is written here."""
    rows, elements = x.shape
    # To copy a number along its row and subtract whole arrays takes less time than to subtract it from the row.
    np.copyto(out, _largest_of_rows(x)[:, None])
    np.subtract(x, out, out=out)
    np.exp(out, out=out)
    total = np.einsum("ij->i", out) if elements <= _SHORT_ROW else np.sum(out, axis=1)
    out /= total.reshape(rows, 1)


def _softmax(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    axes = _axes(attributes)

    def softmax(x: Array) -> Array:
        if has_rows(x, axes):
            return by_rows(_softmax_rows, x, axes)
        e = x - np.max(x, axis=axes, keepdims=True)
        np.exp(e, out=e)
        e /= np.sum(e, axis=axes, keepdims=True)
        return e

    return softmax


def _log_softmax(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    axes = _axes(attributes)

    def log_softmax(x: Array) -> Array:
        shifted = x - np.max(x, axis=axes, keepdims=True)
        return shifted - np.log(np.sum(np.exp(shifted), axis=axes, keepdims=True))

    return log_softmax


def _layer_norm(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    axis, epsilon = integers(attributes, "axis")[0], number(attributes, "epsilon", 1e-5)

    def normalise(x: Array, axes: tuple[int, ...], scale: Array, bias: Array | None, out: Array | None = None) -> Array:
        y = np.subtract(x, np.mean(x, axis=axes, keepdims=True), out=out)
        squares = np.square(y, out=scratch(0, y.shape, y.dtype))
        variance = np.mean(squares, axis=axes, keepdims=True)
        y /= np.sqrt(variance + x.dtype.type(epsilon))
        y *= scale
        if bias is not None:
            y += bias
        return y

    def layer_norm(x: Array, scale: Array, bias: Array | None = None) -> Array:
        axes = tuple(range(axis % x.ndim, x.ndim))
        shape = x.shape[axis:]
        if not has_rows(x, axes) or scale.shape != shape or (bias is not None and bias.shape != shape):
            return normalise(x, axes, scale, bias)
        flat_scale, flat_bias = scale.reshape(-1), None if bias is None else bias.reshape(-1)
        return by_rows(lambda rows, out: normalise(rows, (1,), flat_scale, flat_bias, out), x, axes)

    return layer_norm


def _instance_norm(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    epsilon = number(attributes, "epsilon", 1e-5)

    def instance_norm(x: Array, scale: Array, bias: Array) -> Array:
        axes = tuple(range(2, x.ndim))
        shape = (1, -1, *([1] * (x.ndim - 2)))
        centred = x - np.mean(x, axis=axes, keepdims=True)
        variance = np.mean(np.square(centred), axis=axes, keepdims=True)
        return centred / np.sqrt(variance + x.dtype.type(epsilon)) * scale.reshape(shape) + bias.reshape(shape)

    return instance_norm


def _lrn(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    size = integers(attributes, "size")[0]
    alpha, beta, bias = (number(attributes, n) for n in ("alpha", "beta", "bias"))

    def lrn(x: Array) -> Array:
        squares = np.square(x)
        total = np.zeros_like(x)
        channels = x.shape[1]
        for shift in range(-((size - 1) // 2), size // 2 + 1):
            low, high = max(0, -shift), min(channels, channels - shift)
            total[:, low:high] += squares[:, low + shift : high + shift]
        return (x / np.power(bias + alpha / size * total, beta)).astype(x.dtype, copy=False)

    return lrn


KERNELS: dict[str, Maker] = {
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "reduce_mean": _reduction(np.mean),
    "reduce_sum": _reduction(np.sum),
    "reduce_max": _reduction(np.max),
    "reduce_min": _reduction(np.min),
    "reduce_prod": _reduction(np.prod),
    "reduce_l2": _reduction(_l2),
    "reduce_l1": _reduction(_l1),
    "reduce_sum_square": _reduction(_sum_square),
    "reduce_log_sum": _reduction(_log_sum),
    "reduce_log_sum_exp": _reduction(_log_sum_exp),
    "argmax": _arg(np.argmax),
    "argmin": _arg(np.argmin),
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "layer_norm": _layer_norm,
    "instance_norm": _instance_norm,
    "lrn": _lrn,
}
