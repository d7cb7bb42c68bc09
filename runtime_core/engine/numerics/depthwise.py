"""Depthwise convolutions: a filter of one channel for each channel, which no matrix product covers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from runtime_core.engine.numerics.types import Array, windows

_BLOCK = 1 << 18
"""Elements of the shifted copies that are used at a time: they stay in the cache."""


def depthwise(x: Array, weight: Array, strides: Sequence[int], dilations: Sequence[int], out: Sequence[int]) -> Array:
    """Convolve each channel with its filter.

    Each output is the sum of its products in the order of the filter's elements.

    Args:
        x: (N, C, *spatial), padded.
        weight: (C, 1, *kernel).
        strides: of the windows.
        dilations: of the filter.
        out: the output's spatial dimensions.

    Returns:
        (N, C, *out).
    """
    batch, channels = x.shape[:2]
    y = np.empty((batch, channels, *out), np.result_type(x, weight))
    if not y.size:
        return y
    shifted = len(out) == 2 and tuple(strides) == (1, 1)
    kernel = weight.shape[2:]
    copies = kernel[1] * math.prod(x.shape[2:]) if shifted else math.prod(kernel) * math.prod(out)
    count = max(1, _BLOCK // copies)
    filters = weight[:, 0]
    for image, target in zip(x, y, strict=True):
        for start in range(0, channels, count):
            piece = slice(start, start + count)
            if shifted:
                target[piece] = _by_shifts(image[piece], filters[piece], dilations, out)
            else:
                target[piece] = _by_windows(image[piece], filters[piece], strides, dilations, out)
    return y


def _by_shifts(x: Array, filters: Array, dilations: Sequence[int], out: Sequence[int]) -> Array:
    """Windows next to each other: every filter element takes one long row of the image, shifted.

    A window that reaches over the end of a line into the next one is computed, and not read.
    """
    channels, height, width = x.shape
    rows, columns = filters.shape[1:]
    down, right = dilations
    size = height * width
    # Copies for the shifts along a line; shifts by whole lines are views of them.
    copies = np.empty((channels, columns, size), x.dtype)
    flat = x.reshape(channels, size)
    for column in range(columns):
        shift = column * right
        copies[:, column, : size - shift] = flat[:, shift:]
    count = (out[0] - 1) * width + out[1]
    step = x.itemsize
    places = np.lib.stride_tricks.as_strided(
        copies,
        (channels, rows, columns, count),
        (copies.strides[0], down * width * step, copies.strides[1], step),
        writeable=False,
    )
    sums = np.einsum("cij,cijn->cn", filters, places)
    return np.lib.stride_tricks.as_strided(
        sums, (channels, *out), (sums.strides[0], width * step, step), writeable=False
    )


def _by_windows(
    x: Array, filters: Array, strides: Sequence[int], dilations: Sequence[int], out: Sequence[int]
) -> Array:
    """A copy of every window."""
    channels = len(x)
    kernel = filters.shape[1:]
    places = windows(x[None], kernel, strides, dilations)[0]
    count = math.prod(kernel)
    sums = np.einsum("ck,ckp->cp", filters.reshape(channels, count), places.reshape(channels, count, -1))
    return sums.reshape(channels, *out)
