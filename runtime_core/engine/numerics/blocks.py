"""Kernels in pieces that fit a processor's caches: large arrays would go through memory once for every operation."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence

import numpy as np

from runtime_core.engine.numerics.types import Array

_BLOCK = 1 << 16
"""Elements of a block. Smaller blocks cost more in calls than they save in memory traffic."""
_ROWS_BLOCK = 1 << 18
"""Elements of a block of rows, whose reductions cost more for each call."""


def in_blocks(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """An element-wise function applied block by block; its results have the type of its argument."""

    def run(x: Array) -> Array:
        if not x.ndim:
            # NumPy makes scalars of arrays without dimensions, and nothing can be written into those.
            return function(x.reshape(1)).reshape(())
        if x.size <= _BLOCK or not x.flags.c_contiguous:
            return function(x)
        flat = x.reshape(-1)
        out = np.empty_like(flat)
        for start in range(0, flat.size, _BLOCK):
            piece = slice(start, start + _BLOCK)
            out[piece] = function(flat[piece])
        return out.reshape(x.shape)

    return run


def by_rows(function: Callable[[Array, Array], object], x: Array, axes: tuple[int, ...]) -> Array:
    """Apply a function that treats each row on its own, block by block.

    Args:
        function: of an array (rows, elements), writes its result into a second one of the same shape and type.
        x: C-contiguous.
        axes: of a row: the last ones, in order.
    """
    flat = x.reshape(-1, math.prod(x.shape[a] for a in axes))
    count = max(1, _ROWS_BLOCK // flat.shape[1])
    out = np.empty_like(flat)
    for start in range(0, len(flat), count):
        function(flat[start : start + count], out[start : start + count])
    return out.reshape(x.shape)


def has_rows(x: Array, axes: tuple[int, ...]) -> bool:
    """Whether :func:`by_rows` can treat ``axes`` of ``x`` as rows."""
    return bool(x.size and axes and x.flags.c_contiguous) and [a % x.ndim for a in axes] == list(
        range(x.ndim - len(axes), x.ndim)
    )


class _Buffers(threading.local):
    """Memory that a thread's kernels use again and again."""

    def __init__(self) -> None:
        self.slots: dict[int, Array] = {}


_buffers = _Buffers()
_MOST_SCRATCH_BYTES = 1 << 22


def scratch(slot: int, shape: Sequence[int], dtype: np.dtype[np.generic]) -> Array:
    """An array for a block's values between two operations: new memory would be cleared by the system for each block.

    Args:
        slot: which one of the thread's; the next array of this slot has the same memory.
        shape: of the array.
        dtype: of the array.
    """
    size_bytes = math.prod(shape) * dtype.itemsize
    if size_bytes > _MOST_SCRATCH_BYTES:
        return np.empty(shape, dtype)
    buffer = _buffers.slots.get(slot)
    if buffer is None or buffer.size < size_bytes:
        buffer = _buffers.slots[slot] = np.empty(size_bytes, np.uint8)
    return buffer[:size_bytes].view(dtype).reshape(shape)
