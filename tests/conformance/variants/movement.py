"""Operators that move data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from tests.conformance.variants.generator import Of, Variant, for_operators, ints, one


@for_operators("Reshape")
def _reshape(of: Of) -> Iterator[Variant]:
    x = of.data(2, 3, 4)
    for shape in ((4, 6), (-1,), (0, -1), (0, 0, 2, 2), (2, 3, 4, 1)):
        yield Variant(str(shape), {}, [x, ints(*shape)], fixed=(1,))
    yield Variant("scalar", {}, [of.data(1), ints()], fixed=(1,))
    yield Variant("at run time", {}, [x, ints(4, 6)])
    if of.version >= 14:
        yield Variant("allowzero", {"allowzero": 1}, [of.data(0, 3), ints(3, 0)], fixed=(1,))


def _with_axes(of: Of, x: np.ndarray, choices: Iterable[tuple[int, ...]]) -> Iterator[Variant]:
    """One variant per choice of axes: negative since version 11, an input rather than an attribute since 13."""
    for axes in choices:
        if min(axes) < 0 and of.version < 11:
            continue
        if of.version < 13:
            yield Variant(str(axes), {"axes": list(axes)}, [x])
        else:
            yield Variant(str(axes), {}, [x, ints(*axes)], fixed=(1,))


@for_operators("Squeeze")
def _squeeze(of: Of) -> Iterator[Variant]:
    x = of.data(1, 3, 1, 2)
    yield Variant("none", {}, [x])
    yield from _with_axes(of, x, ((0,), (0, 2), (-2,)))


@for_operators("Unsqueeze")
def _unsqueeze(of: Of) -> Iterator[Variant]:
    yield from _with_axes(of, of.data(2, 3), ((0,), (1, 3), (3, 0), (-1,), (-1, 0)))


@for_operators("Concat")
def _concat(of: Of) -> Iterator[Variant]:
    for axis in (0, 1, -1):
        if axis < 0 and of.version < 11:
            continue
        yield Variant(str(axis), {"axis": axis}, [of.data(2, 3), of.data(2, 3), of.data(2, 3)])
    yield Variant("empty", {"axis": 0}, [of.data(0, 3), of.data(2, 3)])
    yield Variant("one", {"axis": 0}, [of.data(2, 3)])


@for_operators("Split")
def _split(of: Of) -> Iterator[Variant]:
    x = of.data(6, 4)
    even = {"num_outputs": 2} if of.version >= 18 else {}
    yield Variant("even", even, [x], outputs=2)
    yield Variant("axis", even | {"axis": 1}, [x], outputs=2)
    if of.version < 13:
        yield Variant("sizes", {"split": [1, 5]}, [x], outputs=2)
    else:
        yield Variant("sizes", {}, [x, ints(1, 5)], 2, (1,))
        yield Variant("empty part", {"axis": 1}, [x, ints(0, 4)], 2, (1,))
    if of.version >= 18:
        yield Variant("uneven", {"num_outputs": 4}, [x], outputs=4)
    if of.version >= 11:
        yield Variant("negative", even | {"axis": -1}, [x], outputs=2)


@for_operators("Slice")
def _slice(of: Of) -> Iterator[Variant]:
    x = of.data(5, 6)
    if of.version < 10:
        yield Variant("", {"starts": [1, 2], "ends": [4, 5]}, [x])
        yield Variant("axes", {"starts": [-3], "ends": [1000], "axes": [1]}, [x])
        yield Variant("ends", {"starts": [0], "ends": [-1], "axes": [0]}, [x])
        return
    for label, *bounds in (
        ("", (1, 2), (4, 5)),
        ("axes", (-3,), (1 << 62,), (1,)),
        ("steps", (0, 5), (5, 0), (0, 1), (2, -2)),
        ("backwards", (-1,), (-100,), (1,), (-1,)),
        ("backwards from before", (-9,), (-9,), (1,), (-1,)),
        ("empty", (3,), (1,), (0,)),
        ("negative axes", (1,), (-1,), (-2,), (2,)),
        ("past", (100,), (-100,), (0,), (-1,)),
        ("backwards from far", (1 << 62,), (-(1 << 62),), (0,), (-3,)),
    ):
        inputs = [ints(*b) for b in bounds]
        yield Variant(label, {}, [x, *inputs], fixed=tuple(range(1, 1 + len(inputs))))
    yield Variant("int32", {}, [x, ints(1, dtype="int32"), ints(4, dtype="int32")], fixed=(1, 2))
    yield Variant("steps without axes", {}, [x, ints(4, 0), ints(0, 5), None, ints(-2, 2)], fixed=(1, 2, 4))


@for_operators("Gather")
def _gather(of: Of) -> Iterator[Variant]:
    x = of.data(4, 3)
    yield Variant("", {}, [x, ints(0, 3)])
    yield Variant("axis", {"axis": 1}, [x, np.array([[0, 2], [1, 0]], np.int32)])
    yield Variant("scalar", {}, [x, one(2)])
    yield Variant("scalar constant", {}, [x, one(2)], fixed=(1,))
    if of.version >= 11:
        yield Variant("negative", {"axis": -1}, [x, ints(-1, -3)])


@for_operators("GatherElements")
def _gather_elements(of: Of) -> Iterator[Variant]:
    x = of.data(3, 4)
    yield Variant("", {}, [x, np.array([[0, 2, 1], [-1, 0, -3]])])
    yield Variant("axis", {"axis": -1}, [x, np.array([[0, 3], [-1, 0]])])


@for_operators("GatherND")
def _gather_nd(of: Of) -> Iterator[Variant]:
    x = of.data(2, 3, 4)
    yield Variant("", {}, [x, np.array([[0, 1], [1, -1]])])
    yield Variant("full", {}, [x, np.array([[0, 1, 2], [1, 2, 3]])])
    if of.version >= 12:
        yield Variant("batch", {"batch_dims": 1}, [x, np.array([[[1]], [[0]]])])


@for_operators("Scatter", "ScatterElements")
def _scatter(of: Of) -> Iterator[Variant]:
    x, indices = of.data(3, 4), np.array([[0, 2, 1, 1]])
    yield Variant("", {}, [x, indices, of.data(1, 4)])
    yield Variant("axis", {"axis": 1}, [x, indices, of.data(1, 4)])
    if of.operator == "ScatterElements":
        yield Variant("negative", {"axis": -1}, [x, np.array([[-1, 0]]), of.data(1, 2)])
        repeated = np.array([[0, 0, 1, 1], [0, 1, 1, 1]])
        for reduction, since in (("add", 16), ("mul", 16), ("max", 18), ("min", 18)):
            if of.version >= since:
                yield Variant(reduction, {"reduction": reduction}, [x, repeated, of.data(2, 4)])


@for_operators("ScatterND")
def _scatter_nd(of: Of) -> Iterator[Variant]:
    x = of.data(4, 3)
    yield Variant("", {}, [x, np.array([[0], [2]]), of.data(2, 3)])
    yield Variant("full", {}, [x, np.array([[0, 1], [-1, 2]]), of.data(2)])
    for reduction, since in (("add", 16), ("mul", 16), ("max", 18), ("min", 18)):
        if of.version >= since:
            yield Variant(reduction, {"reduction": reduction}, [x, np.array([[1], [1]]), of.data(2, 3)])


@for_operators("Expand")
def _expand(of: Of) -> Iterator[Variant]:
    for shape in ((2, 3, 4), (3, 1), (1,), (3, 4)):
        yield Variant(str(shape), {}, [of.data(3, 1), ints(*shape)], fixed=(1,))
    yield Variant("at run time", {}, [of.data(3, 1), ints(2, 3, 4)])


@for_operators("Tile")
def _tile(of: Of) -> Iterator[Variant]:
    yield Variant("", {}, [of.data(2, 3), ints(2, 3)], fixed=(1,))
    yield Variant("none", {}, [of.data(2, 3), ints(0, 1)], fixed=(1,))
    yield Variant("at run time", {}, [of.data(2, 3), ints(2, 1)])


@for_operators("Pad")
def _pad(of: Of) -> Iterator[Variant]:
    x = of.data(3, 4)
    modes = ("constant", "reflect", "edge", *(("wrap",) if of.version >= 19 else ()))
    for mode in modes:
        for pads in ((0, 1, 0, 2), (1, 0, 2, 3), (0, -1, 0, 0), (-1, 1, 0, -2)):
            if mode == "wrap" and min(pads) < 0:
                continue
            label = f"{mode}{pads}"
            if of.version < 11:
                yield Variant(label, {"mode": mode, "pads": list(pads)}, [x])
            else:
                yield Variant(label, {"mode": mode}, [x, ints(*pads)], fixed=(1,))
    if of.version < 11:
        yield Variant("value", {"pads": [1, 1, 1, 1], "value": 2.5}, [x])
        return
    value = np.array(2, of.dtype)
    yield Variant("value", {}, [x, ints(1, 1, 1, 1), value], fixed=(1, 2))
    yield Variant("value at run time", {}, [x, ints(1, 1, 1, 1), value], fixed=(1,))
    if of.version >= 18:
        yield Variant("axes", {}, [x, ints(1, 2), value, ints(1)], fixed=(1, 2, 3))
        yield Variant("axes reflect", {"mode": "reflect"}, [x, ints(1, 2), None, ints(-2)], fixed=(1, 3))


@for_operators("DepthToSpace", "SpaceToDepth")
def _blocks(of: Of) -> Iterator[Variant]:
    x = of.data(1, 8, 2, 4)
    yield Variant("", {"blocksize": 2}, [x])
    modes = of.version >= (11 if of.operator == "DepthToSpace" else 28)
    for mode in ("DCR", "CRD") if modes else ():
        yield Variant(mode, {"blocksize": 2, "mode": mode}, [x])
