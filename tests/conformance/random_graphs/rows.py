"""Operators that look at several elements at a time: reductions, sorting, normalisation, products."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.conformance.random_graphs.builder import FLOATS, INTS, Builder


def reduce(b: Builder) -> None:
    x = b.pick((*FLOATS, *INTS), rank=1, full=True)
    if x is None:
        return
    names = (
        ("ReduceSum", "ReduceMax", "ReduceMin")
        if x.dtype in INTS
        else ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceL2", "ReduceMin")
    )
    operator = b.draw(st.sampled_from(names))
    axes = b.draw(st.lists(st.integers(0, len(x.shape) - 1), min_size=1, unique=True))
    keep = b.draw(st.integers(0, 1))
    shape = tuple(1 if i in axes else e for i, e in enumerate(x.shape) if keep or i not in axes)
    exact = x.dtype in INTS or (operator in ("ReduceMax", "ReduceMin") and x.exact)
    if b.opset >= (13 if operator == "ReduceSum" else 18):
        b.add(operator, [x.name, b.integers(*axes)], [(x.dtype, shape, exact)], keepdims=keep)
    else:
        b.add(operator, [x.name], [(x.dtype, shape, exact)], keepdims=keep, axes=axes)


def softmax(b: Builder) -> None:
    x = b.pick(FLOATS, rank=1, full=True)
    if x is not None:
        axis = b.draw(st.integers(-len(x.shape), len(x.shape) - 1))
        b.add(b.draw(st.sampled_from(("Softmax", "LogSoftmax"))), [x.name], [(x.dtype, x.shape, False)], axis=axis)


def arg(b: Builder) -> None:
    x = b.pick((*FLOATS, *INTS), rank=1, exact=True, full=True)
    if x is None:
        return
    axis, keep = b.draw(st.integers(0, len(x.shape) - 1)), b.draw(st.integers(0, 1))
    shape = tuple(1 if i == axis else e for i, e in enumerate(x.shape) if keep or i != axis)
    b.add(b.draw(st.sampled_from(("ArgMax", "ArgMin"))), [x.name], [("int64", shape, True)], axis=axis, keepdims=keep)


def top_k(b: Builder) -> None:
    x = b.pick((*FLOATS, *INTS), rank=1, exact=True, full=True)
    if x is None or x.dtype == "float16":
        return
    axis = b.draw(st.integers(0, len(x.shape) - 1))
    count = b.draw(st.integers(1, x.shape[axis]))
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    k = b.integers(count)
    made = [(x.dtype, shape, True), ("int64", shape, True)]
    b.add("TopK", [x.name, k], made, axis=axis, largest=b.draw(st.integers(0, 1)))


def cumsum(b: Builder) -> None:
    x = b.pick(("float32", "float64", *INTS), rank=1)
    if x is not None:
        axis = b.constant(np.array(b.draw(st.integers(0, len(x.shape) - 1)), np.int64))
        flags = {"exclusive": b.draw(st.integers(0, 1)), "reverse": b.draw(st.integers(0, 1))}
        b.add("CumSum", [x.name, axis], [(x.dtype, x.shape, x.dtype in INTS)], **flags)


def layer_norm(b: Builder) -> None:
    x = b.pick(("float32", "float64"), rank=2, full=True)
    if x is not None and b.opset >= 17 and x.shape[-1] > 1:
        scale = b.constant(b.array(x.dtype, x.shape[-1:]))
        b.add("LayerNormalization", [x.name, scale], [(x.dtype, x.shape, False)], epsilon=0.1)


def matmul(b: Builder) -> None:
    x = b.pick(FLOATS, rank=1)
    if x is None:
        return
    width = b.draw(st.integers(1, 4))
    weights = b.constant(b.array(x.dtype, (x.shape[-1], width)))
    b.add("MatMul", [x.name, weights], [(x.dtype, (*x.shape[:-1], width), False)])


def conv(b: Builder) -> None:
    x = b.pick(("float32",), rank=3, full=True)
    if x is None or len(x.shape) > 4:
        return
    spatial = len(x.shape) - 2
    weights = b.constant(b.array("float32", (2, x.shape[1], *([2] * spatial))))
    b.add(
        "Conv",
        [x.name, weights],
        [("float32", (x.shape[0], 2, *(e + 1 for e in x.shape[2:])), False)],
        pads=[1] * 2 * spatial,
    )
