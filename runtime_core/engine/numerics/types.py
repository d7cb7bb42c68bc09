"""Element types between the NEFF and NumPy, and the rounding of the chip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from runtime_core.neff.graph import AttributeValue, DType

# Element types are only known from the NEFF: its DTypes are checked at the boundary, arithmetic inside is not typed.
Array: TypeAlias = NDArray[Any]
Attributes: TypeAlias = Mapping[str, AttributeValue]
Kernel: TypeAlias = Callable[..., Array | tuple[Array, ...]]
Maker: TypeAlias = Callable[[Attributes, Sequence[Array | None]], Kernel]
"""Makes the kernel of one instruction from its attributes and those operands that are constants (else ``None``).

Of the constants only type and shape are to be used: their values may not be known yet, and are operands of each call.
"""


def numpy_dtype(dtype: DType) -> np.dtype[np.generic]:
    """The NumPy type; bfloat16 is ml_dtypes'."""
    return np.dtype(ml_dtypes.bfloat16) if dtype is DType.BFLOAT16 else np.dtype(dtype.value)


HALVES = frozenset({DType.BFLOAT16, DType.FLOAT16})
"""The 16-bit floats. The engines compute them in FP32 and round results to them, so here they are carried as FP32."""


def widened(value: Array) -> Array:
    """A 16-bit float as FP32, which holds every one of its values; anything else as it is."""
    return value.astype(np.float32) if value.dtype in (ml_dtypes.bfloat16, np.float16) else value


def rounded(value: Array, dtype: DType) -> Array:
    """A value as it is carried after it was stored as ``dtype``."""
    return widened(value.astype(numpy_dtype(dtype), copy=False))


def narrowing(attributes: Attributes) -> Callable[[Array], Array]:
    """What a matrix instruction does to its FP32 inputs: the ``cast`` attribute rounds them, to nearest even."""
    cast = attributes.get("cast")
    if cast is None:
        return lambda value: value
    target = numpy_dtype(DType(str(cast)))

    def narrow(value: Array) -> Array:
        return value.astype(target).astype(np.float32) if value.dtype == np.float32 else value

    return narrow


def integers(attributes: Attributes, name: str) -> list[int]:
    """A list attribute as integers."""
    value = attributes[name]
    return [int(v) for v in value] if isinstance(value, list) else [int(value)]


def number(attributes: Attributes, name: str, default: float = 0.0) -> float:
    """A number attribute."""
    value = attributes.get(name, default)
    return float(value) if isinstance(value, int | float) else default


def windows(x: Array, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> Array:
    """A view (N, C, *kernel, *out) of every window of ``x`` (N, C, *spatial), which is padded already."""
    out = [
        (size - (k - 1) * d - 1) // s + 1 for size, k, s, d in zip(x.shape[2:], kernel, strides, dilations, strict=True)
    ]
    steps = x.strides[2:]
    return np.lib.stride_tricks.as_strided(
        x,
        (*x.shape[:2], *kernel, *out),
        (
            *x.strides[:2],
            *(step * d for step, d in zip(steps, dilations, strict=True)),
            *(step * s for step, s in zip(steps, strides, strict=True)),
        ),
        writeable=False,
    )
