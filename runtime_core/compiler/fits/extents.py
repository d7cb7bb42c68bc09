"""Problems of single inputs, in words: each function returns what is wrong, or "" if nothing is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from runtime_core.compiler.lower.context import Lowering


def named(lo: Lowering, index: int) -> str:
    """An input by its name and shape."""
    return f"{lo.input(index)!r} of the shape {list(lo.shape(index))}"


def alike(lo: Lowering, index: int, shape: Sequence[int]) -> str:
    """An input of exactly this shape."""
    if not lo.input(index) or lo.shape(index) == tuple(shape):
        return ""
    return f"{named(lo, index)} should have the shape {list(shape)}"


def spreads(lo: Lowering, index: int, shape: Sequence[int]) -> str:
    """An input that broadcasts to this shape, and does not enlarge it."""
    if not lo.input(index):
        return ""
    own = lo.shape(index)
    missing = len(shape) - len(own)
    if missing >= 0 and all(e in (1, wanted) for e, wanted in zip(own, shape[missing:], strict=True)):
        return ""
    return f"{named(lo, index)} does not broadcast to {list(shape)}"


def ranked(lo: Lowering, index: int, rank: int) -> str:
    """An input of so many dimensions."""
    if not lo.input(index) or len(lo.shape(index)) == rank:
        return ""
    return f"{named(lo, index)} should have {rank} dimension{'s' * (rank != 1)}"


def single(lo: Lowering, index: int) -> str:
    """An input of one element."""
    if not lo.input(index) or math.prod(lo.shape(index)) == 1:
        return ""
    return f"{named(lo, index)} should have 1 element"


def divides(lo: Lowering, axis: int, divisor: int) -> str:
    """A dimension of the first input that is a multiple."""
    size = lo.shape()[axis]
    return f"{size} elements of dimension {axis} do not divide into {divisor}" if size % max(1, divisor) else ""


def first(problems: Iterable[str]) -> str:
    """The first problem, if there is one."""
    return next(filter(None, problems), "")


def singles(lo: Lowering, *indices: int) -> str:
    """Several inputs of one element."""
    return first(single(lo, index) for index in indices)
