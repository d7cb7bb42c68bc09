"""Axes within the dimensions that there are, and counts within their extents."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from runtime_core.compiler.fits.extents import alike, first, named, ranked, single
from runtime_core.compiler.lower.context import Lowering


def _within(lo: Lowering, axes: Iterable[int], rank: int) -> str:
    """Axes of so many dimensions, counted from either end."""
    outside = (axis for axis in axes if not -rank <= axis < rank)
    return first(f"axis {axis} is outside of the {rank} dimensions of {named(lo, 0)}" for axis in outside)


def stated(lo: Lowering) -> str:
    """Axes as attributes."""
    axes = [lo.integer("axis", 0)] if lo.has("axis") else lo.integers("axes") or []
    return _within(lo, axes, len(lo.shape()))


def of_rows(lo: Lowering) -> str:
    """The axis of Softmax and its like: 1 by default before operator set 13."""
    rank = len(lo.shape())
    return _within(lo, [lo.integer("axis", 1 if lo.opset < 13 else -1)], rank) if rank or lo.has("axis") else ""


def unsqueezed(lo: Lowering) -> str:
    """Axes of the output."""
    axes = lo.integers("axes") or []
    return _within(lo, axes, len(lo.shape()) + len(axes))


def summed_up(lo: Lowering) -> str:
    """An axis as an input."""
    axis = lo.constant(1)
    return single(lo, 1) or ("" if axis is None else _within(lo, [int(axis.reshape(()))], len(lo.shape())))


def sliced(lo: Lowering) -> str:
    """Lists as inputs, or as attributes with one place for each dimension at most."""
    starts = lo.integers("starts") or []
    axes = lo.integers("axes") or list(range(len(starts)))
    return _within(lo, axes, len(lo.shape())) or first(ranked(lo, index, 1) for index in range(1, len(lo.inputs)))


def counted(lo: Lowering) -> str:
    """A count as an input of one element, or as an attribute, of no more than there are."""
    axis, count = lo.integer("axis", -1), lo.constant(1) if lo.input(1) else np.asarray(lo.integer("k", 0))
    problem = alike(lo, 1, (1,)) or _within(lo, [axis], len(lo.shape()))
    if problem or count is None or int(count.reshape(())) <= lo.shape()[axis]:
        return problem
    return f"{int(count.reshape(()))} of the {lo.shape()[axis]} elements of dimension {axis}"
