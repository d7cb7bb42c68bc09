"""Operators that move data and compute nothing."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.conformance.random_graphs.builder import FLOATS, INTS, MOST_ELEMENTS, Builder


def reshape(b: Builder) -> None:
    x = b.pick()
    if x is None:
        return
    size = int(np.prod(x.shape))
    shapes = [(size,), (1, size), (size, 1)]
    shapes += [(d, size // d) for d in (2, 3, 4) if size % d == 0]
    shape = b.draw(st.sampled_from(shapes))
    if 0 in shape:
        return
    target = [-1 if e == size and b.draw(st.booleans()) else e for e in shape]
    b.add("Reshape", [x.name, b.integers(*target)], [(x.dtype, shape, x.exact)])


def follow(b: Builder) -> None:
    """A shape computed from that of another value, as by exporters."""
    x = b.pick(full=True)
    if x is None:
        return
    same = [v for v in b.values if np.prod(v.shape) == np.prod(x.shape)]
    y = b.draw(st.sampled_from(same))
    (shape,) = b.add("Shape", [y.name], [("int64", (len(y.shape),), True)])
    b.add("Reshape", [x.name, shape.name], [(x.dtype, y.shape, x.exact)])


def transpose(b: Builder) -> None:
    x = b.pick(rank=1)
    if x is not None:
        perm = b.draw(st.permutations(range(len(x.shape))))
        b.add("Transpose", [x.name], [(x.dtype, tuple(x.shape[p] for p in perm), x.exact)], perm=perm)


def concat(b: Builder) -> None:
    x = b.pick(rank=1)
    if x is None:
        return
    axis = b.draw(st.integers(0, len(x.shape) - 1))
    fits = [
        v for v in b.values
        if v.dtype == x.dtype and len(v.shape) == len(x.shape)
        and all(s == t for i, (s, t) in enumerate(zip(v.shape, x.shape, strict=True)) if i != axis)
    ]  # fmt: skip
    parts = [x, *b.draw(st.lists(st.sampled_from(fits), max_size=2))]
    shape = list(x.shape)
    shape[axis] = sum(p.shape[axis] for p in parts)
    if np.prod(shape) <= MOST_ELEMENTS:
        exact = all(p.exact for p in parts)
        b.add(
            "Concat",
            [p.name for p in parts],
            [(x.dtype, tuple(shape), exact)],
            axis=b.draw(st.sampled_from((axis, axis - len(shape)))),
        )


def cut(b: Builder) -> None:
    x = b.pick(rank=1)
    if x is None:
        return
    axis = b.draw(st.integers(0, len(x.shape) - 1))
    start, end = b.draw(st.integers(-5, 5)), b.draw(st.integers(-5, 5))
    step = b.draw(st.sampled_from((1, 2, -1, -2)))
    size = x.shape[axis]
    low, high = (0, size) if step > 0 else (0, size - 1)
    first = min(max(start + size if start < 0 else start, low), high)
    last = end + size if end < 0 else end
    last = min(max(last, 0), size) if step > 0 else min(max(last, -1), size - 1)
    extent = max(0, -(-(last - first) // step)) if size else 0
    shape = (*x.shape[:axis], extent, *x.shape[axis + 1 :])
    names = [b.integers(v) for v in (start, end, axis, step)]
    b.add("Slice", [x.name, *names], [(x.dtype, shape, x.exact)])


def gather(b: Builder) -> None:
    x = b.pick(rank=1, full=True)
    if x is None:
        return
    axis = b.draw(st.integers(0, len(x.shape) - 1))
    size = x.shape[axis]
    indices = b.draw(st.lists(st.integers(-size, size - 1), max_size=4))
    scalar = bool(indices) and b.draw(st.booleans())
    value = np.array(indices[0] if scalar else indices, np.int64)
    shape = (*x.shape[:axis], *value.shape, *x.shape[axis + 1 :])
    b.add("Gather", [x.name, b.constant(value)], [(x.dtype, shape, x.exact)], axis=axis)


def unsqueeze(b: Builder) -> None:
    x = b.pick()
    if x is None or len(x.shape) > 4:
        return
    axis = b.draw(st.integers(0, len(x.shape)))
    shape = (*x.shape[:axis], 1, *x.shape[axis:])
    b.add("Unsqueeze", [x.name, b.integers(axis)], [(x.dtype, shape, x.exact)])


def squeeze(b: Builder) -> None:
    x = b.pick(rank=1)
    if x is not None and 1 in x.shape:
        axis = x.shape.index(1)
        b.add("Squeeze", [x.name, b.integers(axis)], [(x.dtype, (*x.shape[:axis], *x.shape[axis + 1 :]), x.exact)])


def expand(b: Builder) -> None:
    x = b.pick()
    if x is None:
        return
    shape = tuple(b.draw(st.integers(1, 3)) if e == 1 else e for e in x.shape)
    shape = (b.draw(st.integers(1, 2)), *shape)
    if np.prod(shape) <= MOST_ELEMENTS and len(shape) < 5:
        b.add("Expand", [x.name, b.integers(*shape)], [(x.dtype, shape, x.exact)])


def pad(b: Builder) -> None:
    x = b.pick((*FLOATS, *INTS), rank=1, full=True)
    if x is None:
        return
    rank = len(x.shape)
    pads = [b.draw(st.integers(-1 if x.shape[i % rank] > 2 else 0, 2)) for i in range(2 * rank)]
    shape = tuple(e + pads[i] + pads[rank + i] for i, e in enumerate(x.shape))
    if np.prod(shape) <= MOST_ELEMENTS:
        b.add("Pad", [x.name, b.integers(*pads)], [(x.dtype, shape, x.exact)])


def split(b: Builder) -> None:
    x = b.pick(rank=1)
    if x is None:
        return
    axis = b.draw(st.integers(0, len(x.shape) - 1))
    first = b.draw(st.integers(0, x.shape[axis]))
    parts = [first, x.shape[axis] - first]
    made = [(x.dtype, (*x.shape[:axis], p, *x.shape[axis + 1 :]), x.exact) for p in parts]
    b.add("Split", [x.name, b.integers(*parts)], made, axis=axis)
