"""Quantised ONNX operators in FP64, straight from their definitions: what a layer is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

Array: TypeAlias = NDArray[Any]
_Attributes: TypeAlias = Mapping[str, Any]
_Operator: TypeAlias = Callable[[Sequence[Array], _Attributes], Array]


def evaluate(nodes: Sequence[onnx.NodeProto], known: Mapping[str, Array]) -> dict[str, Array]:
    """Return the values of all outputs of the nodes; only integers are rounded.

    Raises:
        KeyError: an operator that the two formats of a quantised ResNet-50 do not have.
    """
    values = dict(known)
    for node in nodes:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        values[node.output[0]] = _OPERATORS[node.op_type]([values[name] for name in node.input], attributes)
    return values


def _along(value: Array, rank: int, axis: int) -> Array:
    value = value.astype(np.float64)
    return value.reshape(()) if value.size == 1 else value.reshape(*[1] * axis, -1, *[1] * (rank - axis - 1))


def _quantised(x: Array, scale: Array, zero: Array) -> Array:
    limits = np.iinfo(zero.dtype)
    steps = np.rint(x / _along(scale, x.ndim, 1)) + _along(zero, x.ndim, 1)
    quantised: Array = np.clip(steps, limits.min, limits.max).astype(zero.dtype)
    return quantised


def _number(x: Array, scale: Array, zero: Array, axis: int = 1) -> Array:
    return (x.astype(np.float64) - _along(zero, x.ndim, axis)) * _along(scale, x.ndim, axis)


def _windows(x: Array, attributes: _Attributes, kernel: Sequence[int], fill: float) -> Array:
    """(N, C, H, W, kernel height, kernel width)."""
    top, left, bottom, right = attributes.get("pads", [0] * 4)
    down, across = attributes.get("strides", [1, 1])
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    return np.lib.stride_tricks.sliding_window_view(x, tuple(kernel), (2, 3))[:, :, ::down, ::across]


def _convolved(x: Array, weight: Array, attributes: _Attributes) -> Array:
    places = _windows(x, attributes, weight.shape[2:], 0)
    batch, _, height, width = places.shape[:4]
    rows = places.transpose(0, 2, 3, 1, 4, 5).reshape(batch * height * width, -1) @ weight.reshape(len(weight), -1).T
    return rows.reshape(batch, height, width, -1).transpose(0, 3, 1, 2)


def _normalised(x: Array, scale: Array, shift: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    scale, shift, mean, variance = (_along(v, x.ndim, 1) for v in (scale, shift, mean, variance))
    return np.asarray((x - mean) / np.sqrt(variance + epsilon) * scale + shift)


def _product(a: Array, b: Array, attributes: _Attributes) -> Array:
    return np.asarray(a @ (b.T if attributes.get("transB") else b))


def _softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def _mean(x: Array, attributes: _Attributes) -> Array:
    return np.asarray(_windows(x, attributes, attributes["kernel_shape"], 0).mean((-1, -2)))


def _reshaped(x: Array, shape: Array) -> Array:
    return x.reshape([int(extent) or x.shape[axis] for axis, extent in enumerate(shape)])


_OPERATORS: dict[str, _Operator] = {
    "AveragePool": lambda v, a: _mean(v[0], a),
    "BatchNormalization": lambda v, a: _normalised(v[0], v[1], v[2], v[3], v[4], a.get("epsilon", 1e-5)),
    "Conv": lambda v, a: _convolved(v[0], v[1], a),
    "DequantizeLinear": lambda v, a: _number(v[0], v[1], v[2], a.get("axis", 1)),
    "Gemm": lambda v, a: _product(v[0], v[1], a) + v[2],
    "MaxPool": lambda v, a: _windows(v[0], a, a["kernel_shape"], -np.inf).max((-1, -2)),
    "QGemm": lambda v, a: _quantised(
        # The bias is in units of both scales.
        _product(_number(v[0], v[1], v[2]), _number(v[3], v[4], v[5]), a) + v[6] * _along(v[4], 2, 1) * float(v[1]),
        v[7],
        v[8],
    ),
    "QLinearAveragePool": lambda v, a: _quantised(_mean(_number(v[0], v[1], v[2]), a), v[3], v[4]),
    "QLinearConv": lambda v, a: _quantised(
        _convolved(_number(v[0], v[1], v[2]), _number(v[3], v[4], v[5], 0), a), v[6], v[7]
    ),
    "QLinearSoftmax": lambda v, _: _quantised(_softmax(_number(v[0], v[1], v[2])), v[3], v[4]),
    "QuantizeLinear": lambda v, _: _quantised(v[0].astype(np.float64), v[1], v[2]),
    "Relu": lambda v, _: np.maximum(v[0], 0),
    "Reshape": lambda v, _: _reshaped(v[0], v[1]),
    "Softmax": lambda v, _: _softmax(v[0]),
    "Sum": lambda v, _: np.sum(np.stack(v), 0),
}
INTEGERS = frozenset(name for name in _OPERATORS if name.startswith("Q"))
"""The operators that return integers."""
