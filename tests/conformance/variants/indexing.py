"""Operators that sort, gather and scatter elements, and that create tensors."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import onnx

from tests.conformance.variants.generator import Of, Variant, for_operators, ints, one


@for_operators("TopK")
def _top_k(of: Of) -> Iterator[Variant]:
    x = of.data(3, 5)
    if of.version < 10:
        yield Variant("", {"k": 2}, [x], outputs=2)
        yield Variant("axis", {"k": 2, "axis": 0}, [x], outputs=2)
        return
    yield Variant("", {}, [x, ints(2)], 2, (1,))
    yield Variant("axis", {"axis": 0}, [x, ints(3)], 2, (1,))
    yield Variant("at run time", {}, [x, ints(2)], 2)
    yield Variant("ties", {}, [np.ones((2, 4), of.dtype), ints(3)], 2, (1,))
    if of.version >= 11:
        yield Variant("smallest", {"largest": 0}, [x, ints(2)], 2, (1,))
        yield Variant("smallest ties", {"largest": 0}, [np.ones((2, 4), of.dtype), ints(3)], 2, (1,))


@for_operators("OneHot")
def _one_hot(of: Of) -> Iterator[Variant]:
    values = np.array([0, 2], of.dtype)
    for axis in (-1, 0, 1):
        yield Variant(str(axis), {"axis": axis}, [np.array([[1, 0], [2, 5]]), one(4), values], fixed=(1, 2))
    if of.version >= 11:
        yield Variant("negative", {}, [ints(-1, -4, -5, 3), one(4), values], fixed=(1, 2))
    yield Variant(
        "float indices", {}, [np.array([1.0, 2.0], np.float32), np.array([4], np.float32), values], fixed=(1,)
    )


@for_operators("CumSum")
def _cumsum(of: Of) -> Iterator[Variant]:
    for axis, exclusive, reverse in ((0, 0, 0), (1, 1, 0), (-1, 0, 1), (1, 1, 1)):
        attributes = {"exclusive": exclusive, "reverse": reverse}
        yield Variant(f"{axis}{exclusive}{reverse}", attributes, [of.data(3, 4), one(axis)], fixed=(1,))
    yield Variant("int32 axis at run time", {}, [of.data(3, 4), one(1, "int32")])


@for_operators("Trilu")
def _trilu(of: Of) -> Iterator[Variant]:
    for upper, k in itertools.product((0, 1), (None, 1, -1, 9)):
        inputs = [] if k is None else [one(k)]
        yield Variant(f"{upper}{k}", {"upper": upper}, [of.data(2, 3, 4), *inputs], fixed=(1,) if inputs else ())


@for_operators("Range")
def _range(of: Of) -> Iterator[Variant]:
    for bounds in ((0, 5, 1), (5, 0, -2), (2, 2, 1)):
        yield Variant(str(bounds), {}, [np.array(b, of.dtype) for b in bounds], fixed=(0, 1, 2))


@for_operators("ConstantOfShape")
def _constant_of_shape(of: Of) -> Iterator[Variant]:
    value = onnx.numpy_helper.from_array(of.data(1), "value")
    yield Variant("", {"value": value}, [ints(2, 3)], fixed=(0,))
    yield Variant("default", {}, [ints(2, 0)], fixed=(0,))
    yield Variant("at run time", {"value": value}, [ints(2, 3)])


@for_operators("Compress")
def _compress(of: Of) -> Iterator[Variant]:
    yield Variant("axis", {"axis": 0}, [of.data(3, 2), np.array([False, True, True])], fixed=(1,))
    yield Variant("flat", {}, [of.data(3, 2), np.array([False, True, True, False, True])])


@for_operators("Unique")
def _unique(of: Of) -> Iterator[Variant]:
    x = of.data(6, high=2)
    yield Variant("", {}, [x], outputs=4)
    yield Variant("unsorted", {"sorted": 0}, [x], outputs=4)
    yield Variant("axis", {"axis": 0}, [of.data(4, 2, high=1)], outputs=4)


@for_operators("ReverseSequence")
def _reverse_sequence(of: Of) -> Iterator[Variant]:
    x = of.data(4, 3)
    yield Variant("", {}, [x, ints(1, 3, 4)])
    yield Variant("batch first", {"batch_axis": 0, "time_axis": 1}, [x, ints(1, 2, 3, 1)])
