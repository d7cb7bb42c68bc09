"""The PE array: convolutions and matrix products, all as BLAS products."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from runtime_core.engine.numerics.depthwise import depthwise
from runtime_core.engine.numerics.depthwise_onnxruntime import onnxruntime_depthwise
from runtime_core.engine.numerics.types import Array, Attributes, Kernel, Maker, integers, narrowing, number, windows


def _finish(attributes: Attributes) -> Callable[[Array], Array]:
    """What is fused behind the product."""
    if attributes.get("activation") == "relu":
        return lambda y: np.maximum(y, y.dtype.type(0), out=y)
    return lambda y: y


def padded(x: Array, pads: Sequence[int], value: float = 0.0) -> Array:
    """``x`` (N, C, *spatial) with ``pads`` (begins, then ends) of ``value`` around its spatial dimensions."""
    if not any(pads):
        return x
    rank = len(pads) // 2
    shape = (*x.shape[:2], *(s + pads[i] + pads[rank + i] for i, s in enumerate(x.shape[2:])))
    out = np.full(shape, value, x.dtype) if value else np.zeros(shape, x.dtype)
    inner = (slice(None), slice(None), *(slice(pads[i], pads[i] + s) for i, s in enumerate(x.shape[2:])))
    out[inner] = x
    return out


def _conv(attributes: Attributes, constants: Sequence[Array | None]) -> Kernel:
    strides, dilations, pads = (integers(attributes, n) for n in ("strides", "dilations", "pads"))
    group = integers(attributes, "group")[0]
    finish, narrow = _finish(attributes), narrowing(attributes)
    fixed = constants[1] is not None
    by_onnxruntime = onnxruntime_depthwise(constants[1], group, strides, dilations, pads)

    def conv(x: Array, weight: Array, bias: Array | None = None) -> Array:
        kernel, out_channels = weight.shape[2:], weight.shape[0]
        by_channel = x.shape[1] == group == out_channels != 1
        # Windows of one element need no copy: the product reads the image itself, or what its strides leave of it.
        point = not by_channel and all(k == 1 for k in kernel)
        if point:
            x = padded(x, pads)[(slice(None), slice(None), *(slice(None, None, s) for s in strides))]
        x = narrow(x)
        if not fixed:
            weight = narrow(weight)
        done = by_onnxruntime(x, weight) if by_channel and by_onnxruntime and x.dtype == np.float32 and x.size else None
        if done is not None:
            y = done
        elif by_channel:
            x = padded(x, pads)
            spans = zip(x.shape[2:], kernel, strides, dilations, strict=True)
            y = depthwise(x, weight, strides, dilations, [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in spans])
        else:
            view = x if point else windows(padded(x, pads), kernel, strides, dilations)
            # Extents in full: -1 has no meaning in an array without elements.
            share, places = x.shape[1] // group * math.prod(kernel), view.shape[-len(kernel) :]
            columns = view.reshape(len(x), group, share, math.prod(places))
            rows = weight.reshape(group, out_channels // group, share)
            y = np.matmul(rows[0], columns[:, 0]) if group == 1 else np.matmul(rows[None], columns)
            y = y.reshape(len(x), out_channels, *places)
        if bias is not None:
            y += bias.reshape(-1, *([1] * len(kernel)))
        return finish(y)

    return conv


def _gemm(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    alpha, beta = number(attributes, "alpha", 1.0), number(attributes, "beta", 1.0)
    trans_a, trans_b = bool(attributes.get("trans_a")), bool(attributes.get("trans_b"))
    finish, narrow = _finish(attributes), narrowing(attributes)

    def gemm(a: Array, b: Array, c: Array | None = None) -> Array:
        a, b = narrow(a), narrow(b) if _constants[1] is None else b
        y = np.matmul(a.T if trans_a else a, b.T if trans_b else b)
        if alpha != 1.0:
            y *= y.dtype.type(alpha)
        if c is not None:
            y = y + (c if beta == 1.0 else c * c.dtype.type(beta))
        return finish(y)

    return gemm


def _matmul(attributes: Attributes, constants: Sequence[Array | None]) -> Kernel:
    finish, narrow = _finish(attributes), narrowing(attributes)
    # Constants were rounded when they were stored.
    narrow_a, narrow_b = constants[0] is None, constants[1] is None

    def matmul(a: Array, b: Array) -> Array:
        return finish(np.asarray(np.matmul(narrow(a) if narrow_a else a, narrow(b) if narrow_b else b)))

    return matmul


def _conv_transpose(attributes: Attributes, constants: Sequence[Array | None]) -> Kernel:
    """One product for all places of the kernel, then each place's share added where it belongs."""
    strides, dilations, pads, out = (integers(attributes, n) for n in ("strides", "dilations", "pads", "out_shape"))
    group = integers(attributes, "group")[0]
    finish, narrow = _finish(attributes), narrowing(attributes)
    fixed = constants[1] is not None
    rank = len(out)

    def conv_transpose(x: Array, weight: Array, bias: Array | None = None) -> Array:
        x = narrow(x)
        if not fixed:
            weight = narrow(weight)
        kernel, spatial = weight.shape[2:], x.shape[2:]
        batch, channels = x.shape[:2]
        per_group = weight.shape[1]
        rows = weight.reshape(group, channels // group, per_group * math.prod(kernel)).transpose(0, 2, 1)
        shares = np.matmul(rows[None], x.reshape(batch, group, channels // group, math.prod(spatial)))
        shares = shares.reshape(batch, group * per_group, *kernel, *spatial)
        whole = [
            max((size - 1) * s + (k - 1) * d + 1, pads[i] + out[i])
            for i, (size, s, k, d) in enumerate(zip(spatial, strides, kernel, dilations, strict=True))
        ]
        y = np.zeros((batch, group * per_group, *whole), x.dtype)
        for place in np.ndindex(*kernel):
            steps = zip(place, dilations, strides, spatial, strict=True)
            target = tuple(slice(p * d, p * d + (size - 1) * s + 1, s) for p, d, s, size in steps)
            y[(slice(None), slice(None), *target)] += shares[(slice(None), slice(None), *place)]
        y = y[(slice(None), slice(None), *(slice(pads[i], pads[i] + out[i]) for i in range(rank)))]
        if bias is not None:
            y = y + bias.reshape(-1, *([1] * rank))
        return finish(np.ascontiguousarray(y))

    return conv_transpose


def _einsum(attributes: Attributes, constants: Sequence[Array | None]) -> Kernel:
    equation, narrow = str(attributes["equation"]), narrowing(attributes)
    fixed = [c is not None for c in constants]

    def einsum(*operands: Array) -> Array:
        values = [v if known else narrow(v) for v, known in zip(operands, fixed, strict=True)]
        # ``optimize`` turns contractions into BLAS products.
        return np.asarray(np.einsum(equation, *values, optimize=True))

    return einsum


KERNELS: dict[str, Maker] = {
    "conv": _conv,
    "gemm": _gemm,
    "matmul": _matmul,
    "conv_transpose": _conv_transpose,
    "einsum": _einsum,
}
