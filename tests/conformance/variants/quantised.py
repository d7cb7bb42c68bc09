"""Quantised operators."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.conformance.variants.generator import Of, Variant, for_operators


@for_operators("QuantizeLinear")
def _quantize(of: Of) -> Iterator[Variant]:
    x, scale = of.data(2, 3, 4, high=40), np.array(0.25, of.dtype)
    for zero in (np.array(3, np.uint8), np.array(-3, np.int8)):
        yield Variant(str(zero.dtype), {}, [x, scale, zero], fixed=(1, 2))
    yield Variant("no zero", {}, [x, scale], fixed=(1,))
    yield Variant(
        "ties",
        {},
        [np.array([0.5, 1.5, 2.5, -0.5], of.dtype), np.array(1, of.dtype), np.array(0, np.int8)],
        fixed=(1, 2),
    )
    if of.version >= 13:
        scales = np.array([0.1, 0.2, 0.3], of.dtype)
        yield Variant("axis", {}, [x, scales, np.zeros(3, np.uint8)], fixed=(1, 2))
        yield Variant("last axis", {"axis": -1}, [x, of.data(4, low=0.1, high=1), np.zeros(4, np.int8)], fixed=(1, 2))
    if of.version >= 21:
        yield Variant("int16", {}, [x, scale, np.array(5, np.int16)], fixed=(1, 2))
        blocked = [x, of.data(2, 3, 2, low=0.1, high=1), np.zeros((2, 3, 2), np.int8)]
        yield Variant("blocks", {"axis": 2, "block_size": 2}, blocked, fixed=(1, 2))
        yield Variant("output type", {"output_dtype": 3}, [x, scale], fixed=(1,))


@for_operators("DequantizeLinear")
def _dequantize(of: Of) -> Iterator[Variant]:
    x = of.data(2, 3, 4, high=40)
    zero = np.array(1, of.dtype)
    scale = np.array(0.25, np.float32)
    yield Variant("", {}, [x, scale], fixed=(1,))
    if of.dtype != "int32":
        yield Variant("zero", {}, [x, scale, zero], fixed=(1, 2))
    if of.version >= 13:
        scales = np.array([0.1, 0.2, 0.3], np.float32)
        yield Variant("axis", {}, [x, scales, np.zeros(3, of.dtype)], fixed=(1, 2))
        yield Variant("last axis", {"axis": -1}, [x, np.array([0.1, 0.2, 0.3, 0.4], np.float32)], fixed=(1,))
    if of.version >= 19:
        yield Variant("half", {}, [x, scale.astype(np.float16)], fixed=(1,))
    if of.version >= 21:
        yield Variant(
            "blocks",
            {"axis": 1, "block_size": 2},
            [of.data(2, 4), np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)],
            fixed=(1,),
        )


@for_operators("DynamicQuantizeLinear")
def _dynamic_quantize(of: Of) -> Iterator[Variant]:
    yield Variant("", {}, [of.data(3, 4)], outputs=3)
    yield Variant("positive", {}, [of.data(3, 4, low=1)], outputs=3)


@for_operators("ConvInteger")
def _conv_integer(of: Of) -> Iterator[Variant]:
    x, w = of.data(1, 2, 5, 5, low=0, high=9), of.data(3, 2, 3, 3, low=0, high=9)
    zero = np.array(2, of.dtype)
    yield Variant("", {}, [x, w], fixed=(1,))
    yield Variant("zeros", {"pads": [1, 1, 1, 1], "strides": [2, 2]}, [x, w, zero, zero], fixed=(1, 2, 3))


@for_operators("MatMulInteger")
def _matmul_integer(of: Of) -> Iterator[Variant]:
    a, b = of.data(2, 3, low=0, high=9), of.data(3, 4, low=0, high=9)
    zero = np.array(2, of.dtype)
    yield Variant("", {}, [a, b], fixed=(1,))
    yield Variant("zeros", {}, [a, b, zero, zero], fixed=(1, 2, 3))
    yield Variant("columns", {}, [a, b, zero, np.arange(4).astype(of.dtype)], fixed=(1, 2, 3))


def _quantised(of: Of, *values: float) -> list[np.ndarray]:
    return [np.array(v, np.float32) for v in values]


@for_operators("QLinearMatMul")
def _qlinear_matmul(of: Of) -> Iterator[Variant]:
    a, b = of.data(2, 3, low=0, high=60), of.data(3, 4, low=0, high=60)
    zero = np.array(3, of.dtype)
    scale, fine = np.array(0.1, np.float32), np.array(0.5, np.float32)
    yield Variant("", {}, [a, scale, zero, b, scale, zero, fine, zero], fixed=(1, 2, 3, 4, 5, 6, 7))


@for_operators("QLinearConv")
def _qlinear_conv(of: Of) -> Iterator[Variant]:
    x, w = of.data(1, 2, 5, 5, low=0, high=60), of.data(3, 2, 3, 3, low=0, high=60)
    zero, scale = np.array(3, of.dtype), np.array(0.1, np.float32)
    coarse = np.array(3.0, np.float32)
    weights = [w, scale, zero]
    last = [coarse, zero]
    fixed = tuple(range(1, 9))
    yield Variant("", {"pads": [1, 1, 1, 1]}, [x, scale, zero, *weights, *last], fixed=fixed[:7])
    bias = np.array([100, -50, 7], np.int32)
    yield Variant("bias", {}, [x, scale, zero, *weights, *last, bias], fixed=fixed)
    by_channel = [w, np.array([0.1, 0.2, 0.3], np.float32), np.zeros(3, of.dtype)]
    yield Variant("channels", {}, [x, scale, zero, *by_channel, *last, bias], fixed=fixed)
