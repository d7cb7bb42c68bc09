"""What the shapes of an operator's inputs must satisfy, by ONNX's operator texts; inference checks the rest.

A rule returns what is wrong, or "" if nothing is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from runtime_core.compiler.fits.axes import counted, of_rows, sliced, stated, summed_up, unsqueezed
from runtime_core.compiler.fits.extents import alike, divides, first, named, ranked, single, singles, spreads
from runtime_core.compiler.fits.windows import ceiled_window, conv, conv_transpose, window
from runtime_core.compiler.lower.context import Lowering

ShapeRule: TypeAlias = Callable[[Lowering], str]


def _recurrent(gates: int, lo: Lowering) -> str:
    """Weights, biases, lengths and first states, for one or two directions."""
    steps_first = not lo.integer("layout", 0)
    shape = lo.shape()
    if len(shape) != 3:
        return ranked(lo, 0, 3)
    if not math.prod(shape) and lo.node.op_type in ABORTING:
        return f"{named(lo, 0)} has no elements"
    batch, size = shape[1 if steps_first else 0], shape[2]
    hidden = lo.integer("hidden_size", lo.shape(2)[-1] if lo.shape(2) else 0)
    ways = 2 if lo.text("direction", "forward") == "bidirectional" else 1
    state = (ways, batch, hidden) if steps_first else (batch, ways, hidden)
    wanted = {
        1: (ways, gates * hidden, size), 2: (ways, gates * hidden, hidden), 3: (ways, 2 * gates * hidden),
        4: (batch,), 5: state, 6: state, 7: (ways, 3 * hidden),
    }  # fmt: skip
    return first(alike(lo, index, extents) for index, extents in wanted.items())


def _attention(lo: Lowering) -> str:
    """Of 4 dimensions: batch, heads, places, elements."""
    query, key, value = (lo.shape(index) for index in range(3))
    if {len(query), len(key), len(value)} != {4}:
        return ""
    if key[:3] != value[:3] or key[0] != query[0] or key[3] != query[3] or query[1] % max(1, key[1]):
        return f"{named(lo, 0)}, {named(lo, 1)} and {named(lo, 2)} are of different batches, heads or sizes"
    return ""


def _scattered(lo: Lowering) -> str:
    return _along_axis(lo) or alike(lo, 2, lo.shape(1))


def _scattered_slices(lo: Lowering) -> str:
    indices, data = lo.shape(1), lo.shape()
    if indices[-1] > len(data):
        return f"{named(lo, 1)} chooses from more dimensions than {named(lo, 0)} has"
    return alike(lo, 2, (*indices[:-1], *data[indices[-1] :]))


def _along_axis(lo: Lowering) -> str:
    """Indices within the data in every dimension but the one that they choose from."""
    rank = len(lo.shape())
    axis = lo.integer("axis", 0) % max(1, rank)
    pairs = enumerate(zip(lo.shape(1), lo.shape(), strict=False))
    larger = any(index > size for place, (index, size) in pairs if place != axis)
    return ranked(lo, 1, rank) or (f"{named(lo, 1)} is larger than {named(lo, 0)}" if larger else "")


def _gathered_slices(lo: Lowering) -> str:
    batch = lo.integer("batch_dims", 0)
    if lo.shape(1)[:batch] == lo.shape()[:batch]:
        return ""
    return f"the first {batch} dimensions of {named(lo, 0)} and {named(lo, 1)} differ"


def _einsum(lo: Lowering) -> str:
    """Inference takes the first extent that it sees for a letter, whatever follows."""
    terms, _, result = lo.text("equation", "").replace(" ", "").partition("->")
    extents: dict[str, int] = {}
    for index, term in enumerate(terms.split(",")):
        for place, (letter, extent) in enumerate(zip(term, lo.shape(index), strict=False)):
            known = extents.setdefault(letter, extent)
            # A 1 spreads over more, but the result has a 1 where that came first, and not within an operand.
            spreads = extent == 1 or (known == 1 and letter not in result)
            if "." not in term and known != extent and (not spreads or letter in term[:place]):
                return f"{letter!r} stands for {known} and for {extent} elements"
    return ""


def _gathered(lo: Lowering) -> str:
    """Constant indices within the data."""
    indices, axis = lo.constant(1), lo.integer("axis", 0)
    if indices is None or not -len(lo.shape()) <= axis < len(lo.shape()):
        return ""
    size = lo.shape()[axis]
    outside = indices[(indices < -size) | (indices >= size)]
    return f"the index {outside[0]} is outside of the {size} elements of dimension {axis}" if outside.size else ""


def _squeezed(lo: Lowering) -> str:
    """The onnx package reads an empty list of axes as none of them, ONNX Runtime as all."""
    if not lo.input(1) or lo.shape(1) != (0,) or 1 not in lo.shape():
        return ranked(lo, 1, 1)
    return f"the list of axes {lo.input(1)!r} is empty, which does not say what to remove"


def _resized(lo: Lowering) -> str:
    """The onnx package computes extents in FP64, ONNX Runtime in FP32."""
    scales = lo.constant(1 if lo.node.op_type == "Upsample" or lo.opset < 11 else 2)
    cropped = lo.text("coordinate_transformation_mode", "") == "tf_crop_and_resize"
    if scales is None or cropped or lo.integers("axes") or scales.size != len(lo.shape()):
        return ""
    for axis, (size, scale, found) in enumerate(zip(lo.shape(), scales.reshape(-1), lo.out_shape(), strict=True)):
        if found != math.floor(np.float32(size) * np.float32(scale)):
            return (
                f"{size} elements times {scale} are {found} or {found + 1} of dimension {axis}, depending on rounding: "
                "state sizes instead of scales"
            )
    return ""


def _normalised(lo: Lowering) -> str:
    return spreads(lo, 1, lo.shape()) or spreads(lo, 2, lo.shape())


def _channels(lo: Lowering) -> str:
    return alike(lo, 1, lo.shape()[1:2]) or alike(lo, 2, lo.shape()[1:2])


def _lengths(lo: Lowering) -> str:
    axis = lo.integer("batch_axis", 1)
    return alike(lo, 1, lo.shape()[axis : axis + 1])


def _multiplied(lo: Lowering) -> str:
    """Two matrices, each transposed or not."""
    if len(lo.shape(0)) != 2 or len(lo.shape(1)) != 2:
        return ranked(lo, 0, 2) or ranked(lo, 1, 2)
    inner = lo.shape(0)[0 if lo.integer("transA", 0) else 1]
    if inner == lo.shape(1)[1 if lo.integer("transB", 0) else 0]:
        return ""
    return f"{named(lo, 0)} and {named(lo, 1)} have no common extent to sum over"


def _all_alike(lo: Lowering) -> str:
    """Before operator set 8, nothing is broadcast."""
    return first(alike(lo, index, lo.shape()) for index in range(1, len(lo.inputs))) if lo.opset < 8 else ""


def _batch_normalised(lo: Lowering) -> str:
    if lo.opset < 9 and not lo.integer("spatial", 1):
        return ""
    return first(alike(lo, index, (lo.shape()[1:2] or (1,))) for index in range(1, 5))


def _scaled(lo: Lowering) -> str:
    """One scale and zero point, or one along an axis."""
    axis, rank = lo.integer("axis", 1), len(lo.shape())
    if lo.integer("block_size", 0) or len(lo.shape(1)) > 1:
        return ""
    extent = lo.shape()[axis] if -rank <= axis < rank else 1
    return first(single(lo, index) and alike(lo, index, (extent,)) for index in (1, 2))


def _loss(lo: Lowering) -> str:
    """A label for each place, and a weight for each class."""
    if len(lo.shape()) < 2:
        return f"{named(lo, 0)} should have 2 dimensions or more"
    return alike(lo, 1, (*lo.shape()[:1], *lo.shape()[2:])) or alike(lo, 2, lo.shape()[1:2])


def _by_filter(lo: Lowering, weight: int, *indices: int) -> str:
    """One element, or one for each filter."""
    return first(single(lo, index) and alike(lo, index, lo.shape(weight)[:1]) for index in indices)


def _by_column(lo: Lowering, right: int, *indices: int) -> str:
    """One element, or one for each column of each matrix."""
    shape = lo.shape(right)
    columns = (*shape[:-2], 1, *shape[-1:])
    return first(single(lo, index) and spreads(lo, index, columns) for index in indices)


def _padded(lo: Lowering) -> str:
    if lo.text("mode", "constant") == "reflect":
        for axis, (before, after) in enumerate(zip(lo.shape(), lo.out_shape(), strict=True)):
            if before == 1 < after:
                return f"there is nothing to reflect in 1 element of dimension {axis}"
    return ""


def _reshaped(lo: Lowering) -> str:
    before, after = math.prod(lo.shape()), math.prod(lo.out_shape())
    return "" if before == after else f"{named(lo, 0)} does not fill {list(lo.out_shape())}"


def _transposed(lo: Lowering) -> str:
    return ranked(lo, 0, len(lo.integers("perm") or lo.shape()))


ABORTING = ("GRU", "LSTM", "Unique")
"""Operators that end ONNX Runtime's process where their first input has no elements."""

_REDUCTIONS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")

OF_INPUTS: dict[str, ShapeRule] = {
    "ArgMax": stated,
    "ArgMin": stated,
    "Attention": _attention,
    "BatchNormalization": _batch_normalised,
    "Clip": lambda lo: singles(lo, 1, 2),
    "Conv": lambda lo: conv(lo, 1, 2),
    "ConvInteger": lambda lo: conv(lo, 1, 4) or singles(lo, 2) or _by_filter(lo, 1, 3),
    "ConvTranspose": conv_transpose,
    "ConstantOfShape": lambda lo: ranked(lo, 0, 1),
    "CumSum": summed_up,
    "DequantizeLinear": _scaled,
    "DepthToSpace": lambda lo: divides(lo, 1, lo.integer("blocksize", 1) ** 2),
    "Einsum": _einsum,
    "Expand": lambda lo: ranked(lo, 1, 1),
    "GRU": lambda lo: _recurrent(3, lo),
    "Gather": _gathered,
    "GatherElements": _along_axis,
    "GatherND": _gathered_slices,
    "Gemm": _multiplied,
    "GroupNormalization": lambda lo: divides(lo, 1, lo.integer("num_groups", 1)),
    "InstanceNormalization": _channels,
    "LSTM": lambda lo: _recurrent(4, lo),
    "LayerNormalization": _normalised,
    "MatMulInteger": lambda lo: singles(lo, 2) or _by_column(lo, 1, 3),
    "MaxUnpool": lambda lo: alike(lo, 1, lo.shape()),
    "NegativeLogLikelihoodLoss": _loss,
    "PRelu": lambda lo: spreads(lo, 1, lo.shape()),
    "Pad": lambda lo: single(lo, 2),
    "QLinearConv": lambda lo: conv(lo, 3, 8) or singles(lo, 1, 2, 6, 7) or _by_filter(lo, 3, 4, 5),
    "QLinearMatMul": lambda lo: singles(lo, 1, 2, 6, 7) or _by_column(lo, 3, 4, 5),
    "QuantizeLinear": _scaled,
    "RMSNormalization": _normalised,
    "RNN": lambda lo: _recurrent(1, lo),
    "Reshape": lambda lo: ranked(lo, 1, 1),
    "ReverseSequence": _lengths,
    "RoiAlign": lambda lo: alike(lo, 1, (*lo.shape(1)[:1], 4)),
    "Scatter": _scattered,
    "ScatterElements": _scattered,
    "ScatterND": _scattered_slices,
    "Slice": sliced,
    "Softmax": of_rows,
    "SoftmaxCrossEntropyLoss": _loss,
    "SpaceToDepth": lambda lo: divides(lo, 2, lo.integer("blocksize", 1)) or divides(lo, 3, lo.integer("blocksize", 1)),
    "Squeeze": _squeezed,
    "Tile": lambda lo: alike(lo, 1, (len(lo.shape()),)),
    "TopK": counted,
    "Transpose": _transposed,
    "Trilu": lambda lo: single(lo, 1),
    "Unsqueeze": unsqueezed,
    "Unique": lambda lo: "" if math.prod(lo.shape()) else f"{named(lo, 0)} has no elements",
    **dict.fromkeys(("Max", "Mean", "Min", "Sum"), _all_alike),
    **dict.fromkeys(("Hardmax", "LogSoftmax"), of_rows),
    **{f"Reduce{name}": lambda lo: stated(lo) or ranked(lo, 1, 1) for name in _REDUCTIONS},
}
"""Rules that need the inputs alone."""

WITH_OUTPUT: dict[str, ShapeRule] = {
    "AveragePool": ceiled_window,
    "Conv": lambda lo: window(lo, 1),
    "ConvInteger": lambda lo: window(lo, 1),
    "Gemm": lambda lo: spreads(lo, 2, lo.out_shape()),
    "LpPool": ceiled_window,
    "MaxPool": ceiled_window,
    "QLinearConv": lambda lo: window(lo, 3),
    "Pad": _padded,
    "Reshape": _reshaped,
    "Resize": _resized,
    "Upsample": _resized,
}
"""Rules that compare with the shape that was inferred of the first output."""
