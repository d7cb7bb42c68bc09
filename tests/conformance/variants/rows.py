"""Softmax, reductions, pooling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.conformance.variants.generator import Of, Variant, for_operators, ints


@for_operators("Softmax", "LogSoftmax", "Hardmax")
def _softmax(of: Of) -> Iterator[Variant]:
    for axis in (None, 0, 1, 2, -1):
        if axis == -1 and of.version < 11:
            continue
        yield Variant(str(axis), {} if axis is None else {"axis": axis}, [of.data(2, 3, 4)])
    yield Variant("4d", {}, [of.data(2, 3, 2, 2)])
    yield Variant("1d", {"axis": 0}, [of.data(5)])
    if of.operator == "Hardmax":
        yield Variant("ties", {}, [np.ones((2, 3), of.dtype)])
    yield Variant("empty", {}, [of.data(0, 3)])
    yield Variant("empty rows", {}, [of.data(3, 0)])


_REDUCTIONS = (
    "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
    "ReduceLogSumExp", "ReduceSumSquare",
)  # fmt: skip


@for_operators(*_REDUCTIONS)
def _reduce(of: Of) -> Iterator[Variant]:
    positive = of.operator == "ReduceLogSum"
    low, high = (1, 3) if positive else (-2, 2)
    x = of.data(2, 3, 4, low=low, high=high)
    as_input = of.version >= (13 if of.operator == "ReduceSum" else 18)
    for axes, keep in ((None, 1), (None, 0), ([1], 1), ([1], 0), ([0, 2], 1), ([-1], 0), ([0, 1, 2], 0)):
        if axes and min(axes) < 0 and of.version < 11:
            continue
        attributes: dict[str, Any] = {} if keep else {"keepdims": 0}
        if axes is None or not as_input:
            yield Variant(f"{axes}{keep}", attributes | ({} if axes is None else {"axes": axes}), [x])
        else:
            yield Variant(f"{axes}{keep}", attributes, [x, ints(*axes)], fixed=(1,))
    if as_input:
        for noop in (0, 1):
            yield Variant(f"noop{noop}", {"noop_with_empty_axes": noop}, [x])
            yield Variant(f"noop{noop} empty", {"noop_with_empty_axes": noop}, [x, ints()], fixed=(1,))
        yield Variant("at run time", {}, [x, ints(1)])
    yield Variant("scalar", {}, [of.data(low=low, high=high)])
    yield Variant("one", {"keepdims": 0}, [of.data(1, low=low, high=high)])
    if of.operator == "ReduceMean" and not of.is_float:
        return
    yield Variant("nothing", {}, [of.data(0, low=low, high=high)])
    if as_input:
        yield Variant("empty rows", {}, [of.data(2, 0, 3), ints(1)], fixed=(1,))


@for_operators("ArgMax", "ArgMin")
def _arg(of: Of) -> Iterator[Variant]:
    x = of.data(3, 4)
    for attributes in ({}, {"axis": 1}, {"axis": 1, "keepdims": 0}, {"axis": -1}, {"select_last_index": 1}):
        if (attributes.get("axis", 0) < 0 and of.version < 11) or (
            "select_last_index" in attributes and of.version < 12
        ):
            continue
        yield Variant(str(attributes), attributes, [x])
    yield Variant("ties", {"axis": 0}, [np.ones((3, 2), of.dtype)])
    if of.version >= 12:
        yield Variant("last of ties", {"axis": 0, "select_last_index": 1}, [np.ones((3, 2), of.dtype)])


_POOLS: list[dict[str, Any]] = [
    {"kernel_shape": [2, 2]},
    {"kernel_shape": [3, 3], "strides": [2, 2]},
    {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
    {"kernel_shape": [2, 2], "auto_pad": "VALID"},
]


@for_operators("MaxPool", "AveragePool", "LpPool")
def _pool(of: Of) -> Iterator[Variant]:
    x = of.data(1, 2, 7, 6, low=0.5 if of.operator == "LpPool" else -3)
    every = list(_POOLS)
    if of.operator == "LpPool":
        every += [{"kernel_shape": [2, 2], "p": 1}, {"kernel_shape": [2, 2], "p": 3}]
    ceil_since = {"MaxPool": 10, "AveragePool": 10, "LpPool": 18}[of.operator]
    dilated_since = {"MaxPool": 10, "AveragePool": 19, "LpPool": 18}[of.operator]
    if of.version >= ceil_since:
        every += [
            {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
            {"kernel_shape": [2, 2], "strides": [3, 3], "ceil_mode": 1, "pads": [1, 1, 1, 1]},
            {"kernel_shape": [3, 3], "strides": [3, 3], "ceil_mode": 1, "pads": [1, 1, 0, 0]},
        ]
    if of.version >= dilated_since:
        every += [{"kernel_shape": [2, 2], "dilations": [2, 2]}]
        every += [{"kernel_shape": [2, 2], "dilations": [2, 1], "ceil_mode": 1, "strides": [2, 2]}]
    for position, attributes in enumerate(every):
        yield Variant(str(position), attributes, [x])
        if of.operator == "AveragePool":
            yield Variant(f"{position} counted", attributes | {"count_include_pad": 1}, [x])
    yield Variant("1d", {"kernel_shape": [3]}, [of.data(2, 3, 8, low=0.5)])
    yield Variant("3d", {"kernel_shape": [2, 2, 2], "strides": [1, 2, 1]}, [of.data(1, 2, 4, 4, 4, low=0.5)])
    if of.operator == "MaxPool" and of.version >= 8:
        yield Variant("indices", {"kernel_shape": [2, 2], "strides": [2, 2]}, [x], outputs=2)
        yield Variant("column major", {"kernel_shape": [2, 2], "storage_order": 1}, [x], outputs=2)


@for_operators("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def _global_pool(of: Of) -> Iterator[Variant]:
    yield Variant("", {}, [of.data(2, 3, 4, 5)])
    yield Variant("1d", {}, [of.data(2, 3, 4)])
    if of.operator == "GlobalLpPool":
        yield Variant("p=1", {"p": 1}, [of.data(2, 3, 4, 5)])
