"""Quantised arithmetic: integer products on the PE array, scaling on POOL. Equations as in ONNX's operator texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runtime_core.engine.numerics.matrix import KERNELS as MATRIX
from runtime_core.engine.numerics.types import Array, Attributes, Kernel, Maker, integers, numpy_dtype
from runtime_core.neff.graph import DType


def _along(value: Array, rank: int, axis: int) -> Array:
    """A scalar as it is; a vector along ``axis`` of a tensor of ``rank`` dimensions."""
    if value.size == 1:
        return value.reshape(())
    return value.reshape(*([1] * axis), -1, *([1] * (rank - axis - 1)))


def _saturated(value: Array, zero_point: Array, dtype: np.dtype[np.generic]) -> Array:
    """Rounded to nearest even, moved by the zero point, cut to the type's range."""
    limits = np.iinfo(dtype)  # type: ignore[type-var]
    return np.clip(np.rint(value) + zero_point.astype(np.float64), limits.min, limits.max).astype(dtype)


def _quantize(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    axis, dtype = integers(attributes, "axis")[0], numpy_dtype(DType(str(attributes["to"])))

    def quantize(x: Array, scale: Array, zero_point: Array | None = None) -> Array:
        offset = np.zeros((), dtype) if zero_point is None else _along(zero_point, x.ndim, axis)
        return _saturated(x / _along(scale, x.ndim, axis), offset, dtype)

    return quantize


def _dequantize(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    axis = integers(attributes, "axis")[0]

    def dequantize(x: Array, scale: Array, zero_point: Array | None = None) -> Array:
        # A difference of two 8- or 16-bit integers is exact in FP32.
        value = x.astype(np.float32)
        if zero_point is not None:
            value -= _along(zero_point, x.ndim, axis).astype(np.float32)
        return np.asarray(value * _along(scale, x.ndim, axis))

    return dequantize


def _integer(opcode: str, left_axis: int, right_axis: int) -> Maker:
    """A product of integers, exact: doubles hold sums of products of bytes up to 2**53."""

    def maker(attributes: Attributes, constants: Sequence[Array | None]) -> Kernel:
        product = MATRIX[opcode](attributes, constants[:2])

        def integer(x: Array, w: Array, x_zero: Array | None = None, w_zero: Array | None = None) -> Array:
            left, right = x.astype(np.float64), w.astype(np.float64)
            if x_zero is not None:
                left -= _along(x_zero, x.ndim, left_axis % x.ndim)
            if w_zero is not None:
                right -= _along(w_zero, w.ndim, right_axis % w.ndim)
            return np.asarray(product(left, right)).astype(np.int32)

        return integer

    return maker


def _requantize(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    axis, dtype = integers(attributes, "axis")[0], numpy_dtype(DType(str(attributes["to"])))

    def requantize(
        total: Array, x_scale: Array, w_scale: Array, y_scale: Array, zero_point: Array, bias: Array | None = None
    ) -> Array:
        if bias is not None:
            total = total + _along(bias, total.ndim, axis)
        scale = x_scale.reshape(()) * _along(w_scale, total.ndim, axis % total.ndim) / y_scale.reshape(())
        # In FP32, as POOL and ONNX Runtime compute it; NumPy would take an integer times FP32 to FP64.
        return _saturated(total.astype(np.float32) * scale, zero_point.reshape(()), dtype)

    return requantize


KERNELS: dict[str, Maker] = {
    "quantize": _quantize,
    "dequantize": _dequantize,
    "conv_integer": _integer("conv", 1, 0),
    "matmul_integer": _integer("matmul", -2, -1),
    "requantize": _requantize,
}
