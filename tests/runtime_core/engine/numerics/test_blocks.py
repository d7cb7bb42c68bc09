"""Kernels that work block by block, against their formulas on whole arrays."""

from __future__ import annotations

import itertools
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from runtime_core.engine.numerics import depthwise_onnxruntime
from runtime_core.engine.numerics.blocks import scratch
from runtime_core.engine.numerics.elementwise import KERNELS as ELEMENTWISE
from runtime_core.engine.numerics.elementwise import erf
from runtime_core.engine.numerics.matrix import KERNELS as MATRIX
from runtime_core.engine.numerics.reduce import KERNELS as REDUCE
from runtime_core.engine.numerics.types import Array

_RNG = np.random.default_rng(0)


def _values(*shape: int) -> Array:
    return _RNG.standard_normal(shape, np.float32) * np.float32(3)


def _same(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("shape", [(), (5,), (3, 70_001), (2, 3, 131_072)])
def test_sigmoid_has_the_bits_of_its_formula(shape: tuple[int, ...]) -> None:
    x = _values(*shape)
    half = np.float32(0.5)
    assert _same(np.asarray(ELEMENTWISE["sigmoid"]({}, [None])(x)), half * np.tanh(x * half) + half)


@pytest.mark.parametrize(("shape", "axes"), [((9, 60_000), (1,)), ((2, 700, 300), (1,)), ((4, 300, 300), (1, 2))])
def test_softmax_of_long_rows_has_the_bits_of_its_formula(shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    x = _values(*shape)
    e = np.exp(x - np.max(x, axis=axes, keepdims=True))
    assert _same(np.asarray(REDUCE["softmax"]({"axes": list(axes)}, [None])(x)), e / np.sum(e, axes, keepdims=True))


@pytest.mark.parametrize("shape", [(3000, 128), (7, 500, 401), (1, 1), (5, 1024), (3, 1025), (2, 3, 1)])
def test_softmax_stays_within_its_bound(shape: tuple[int, ...]) -> None:
    x = _values(*shape)
    before = x.copy()
    wide = x.astype(np.float64)
    shifted = wide - wide.max(-1, keepdims=True)
    exact = np.exp(shifted)
    exact /= exact.sum(-1, keepdims=True)
    found = np.asarray(REDUCE["softmax"]({"axes": [-1]}, [None])(x))
    # The difference is rounded before the exponential (3 ulp) and the quotient; a sum adds every sixteenth element up.
    units = 8 + np.abs(shifted) + np.abs(shifted).max(-1, keepdims=True) / 2 + shape[-1] / 16
    assert (np.abs(found - exact) <= exact * units * np.finfo(np.float32).eps / 2).all()
    assert _same(x, before)


@pytest.mark.parametrize("repetitions", [1, 16])
def test_softmax_of_rows_with_special_values(repetitions: int) -> None:
    inf, nan = np.inf, np.nan
    x = np.array(
        [[1, 2, nan], [-inf, 0, 0], [inf, 0, 0], [-inf, -inf, -inf], [3e38, -3e38, 3e38], [-1e4, -1e4, -1e4]],
        np.float32,
    )
    x = np.tile(x, repetitions)
    with np.errstate(all="ignore"):
        e = np.exp(x - x.max(1, keepdims=True))
        found = np.asarray(REDUCE["softmax"]({"axes": [1]}, [None])(x))
        assert np.array_equal(found, e / e.sum(1, keepdims=True), equal_nan=True)


@pytest.mark.parametrize(("shape", "axis"), [((900, 768), -1), ((5, 300, 401), 2), ((6, 300, 401), 1)])
def test_layer_norm_has_the_bits_of_its_formula(shape: tuple[int, ...], axis: int) -> None:
    x, scale, bias = _values(*shape), _values(*shape[axis:]), _values(*shape[axis:])
    axes = tuple(range(axis % len(shape), len(shape)))
    centred = x - np.mean(x, axis=axes, keepdims=True)
    variance = np.mean(np.square(centred), axis=axes, keepdims=True)
    kernel = REDUCE["layer_norm"]({"axis": axis, "epsilon": 1e-5}, [None] * 3)
    assert _same(np.asarray(kernel(x, scale, bias)), centred / np.sqrt(variance + np.float32(1e-5)) * scale + bias)


def test_erf_stays_within_its_bound() -> None:
    x = np.concatenate([np.linspace(-6, 6, 150_001), np.logspace(-38, 38, 20_001)]).astype(np.float32)
    exact = np.array([math.erf(v) for v in x.tolist()])
    with np.errstate(all="ignore"):
        error = np.abs(erf(x).astype(np.float64) - exact)
        special = erf(np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], np.float32))
    assert error.max() < 8e-8
    assert (error / np.spacing(np.abs(exact).astype(np.float32))).max() < 1.5
    assert np.isnan(special[0])
    assert special[1:].tobytes() == np.array([1, -1, 0.0, -0.0], np.float32).tobytes()


@pytest.mark.parametrize("kernel", [(3, 3), (2, 2), (1, 3), (3, 1), (1, 1)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (3, 1)])
@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 0, 1, 1)])
def test_max_pool_takes_the_largest_of_each_window(
    kernel: tuple[int, int], strides: tuple[int, int], pads: tuple[int, int, int, int]
) -> None:
    x = _values(2, 700, 11, 23)
    before = x.copy()
    around = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])), constant_values=-np.inf)
    out = [(n - k) // s + 1 for n, k, s in zip(around.shape[2:], kernel, strides, strict=True)]
    views = np.lib.stride_tricks.sliding_window_view(around, kernel, (2, 3))[:, :, :: strides[0], :: strides[1]]
    attributes = {"kernel": list(kernel), "strides": list(strides), "dilations": [1, 1], "pads": list(pads),
                  "out_shape": out}  # fmt: skip
    assert _same(np.asarray(REDUCE["max_pool"](attributes, [None])(x)), np.ascontiguousarray(views.max((4, 5))))
    assert _same(x, before)


def test_max_pool_of_three_dimensions_with_dilations() -> None:
    x = _values(1, 3, 9, 10, 11)
    attributes = {"kernel": [2, 2, 3], "strides": [1, 2, 2], "dilations": [2, 1, 3], "pads": [0] * 6,
                  "out_shape": [7, 5, 3]}  # fmt: skip
    found = np.asarray(REDUCE["max_pool"](attributes, [None])(x))
    for a, b, c in itertools.product(range(7), range(5), range(3)):
        window = x[:, :, a : a + 3 : 2, 2 * b : 2 * b + 2, 2 * c : 2 * c + 7 : 3]
        assert _same(found[:, :, a, b, c], window.max((2, 3, 4)))


@pytest.mark.parametrize("size", [(3, 3), (5, 5), (7, 7), (1, 4)])
@pytest.mark.parametrize(("strides", "dilations"), [((1, 1), (1, 1)), ((1, 1), (2, 3)), ((2, 1), (1, 2))])
@pytest.mark.parametrize("onnxruntime", [True, False])
def test_depthwise_convolution_sums_its_products(
    size: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    onnxruntime: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not onnxruntime:
        monkeypatch.setattr(depthwise_onnxruntime, "find_spec", lambda _name: None)
    x, weight = _values(2, 70, 33, 40), _values(70, 1, *size)
    attributes = {"strides": list(strides), "dilations": list(dilations), "pads": [1, 2, 3, 0], "group": 70}
    around = np.pad(x, ((0, 0), (0, 0), (1, 3), (2, 0)))
    spans = [(k - 1) * d for k, d in zip(size, dilations, strict=True)]
    rows, columns = ((n - s - 1) // t + 1 for n, s, t in zip(around.shape[2:], spans, strides, strict=True))
    exact, most = np.zeros((2, 70, rows, columns)), np.zeros((2, 70, rows, columns))
    for i, j in np.ndindex(*size):
        top, left = i * dilations[0], j * dilations[1]
        view = around[:, :, top : top + (rows - 1) * strides[0] + 1 : strides[0],
                      left : left + (columns - 1) * strides[1] + 1 : strides[1]]  # fmt: skip
        product = view.astype(np.float64) * weight[:, :, i, j, None].astype(np.float64)
        exact += product
        most += np.abs(product)
    found = np.asarray(MATRIX["conv"](attributes, [None, weight])(x, weight))
    assert onnxruntime == (
        depthwise_onnxruntime.onnxruntime_depthwise(weight, 70, strides, dilations, [0] * 4) is not None
    )
    # The bound of a sum in FP32, whatever its order.
    assert found.dtype == np.float32
    assert (np.abs(found - exact) <= most * size[0] * size[1] * np.finfo(np.float32).eps / 2).all()


@pytest.mark.parametrize("name", ["sigmoid", "erf", "gelu"])
def test_values_without_dimensions_are_as_elements(name: str) -> None:
    kernel = ELEMENTWISE[name]({}, [None])
    assert _same(np.asarray(kernel(np.asarray(0.3, np.float32))), np.asarray(kernel(np.full(1, 0.3, np.float32)))[0])


@pytest.mark.parametrize(("kernel", "stride"), [(5, 3), (1, 3), (4, 4)])
def test_max_pool_with_long_strides(kernel: int, stride: int) -> None:
    x = _values(1, 9, 31, 30)
    out = [(n - kernel) // stride + 1 for n in x.shape[2:]]
    attributes = {"kernel": [kernel] * 2, "strides": [stride] * 2, "dilations": [1, 1], "pads": [0] * 4,
                  "out_shape": out}  # fmt: skip
    views = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]
    assert _same(np.asarray(REDUCE["max_pool"](attributes, [None])(x)), np.ascontiguousarray(views.max((4, 5))))


def test_each_thread_has_scratch_memory_of_its_own() -> None:
    dtype = np.dtype(np.float32)
    mine = scratch(0, (3, 5), dtype)
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(scratch, 0, (3, 5), dtype).result()
    assert not np.shares_memory(mine, other)
    assert np.shares_memory(mine, scratch(0, (5,), dtype))
    assert not np.shares_memory(mine, scratch(1, (5,), dtype))
    # No thread keeps much.
    assert not np.shares_memory(scratch(0, (1 << 21,), dtype), scratch(0, (1 << 21,), dtype))


@pytest.mark.parametrize("dilations", [(2, 1), (3, 2)])
def test_max_pool_with_strides_dilations_and_a_window_in_the_padding(dilations: tuple[int, int]) -> None:
    x = _values(1, 5, 9, 8)
    spans = [2 * d + 1 for d in dilations]
    around = np.pad(x, ((0, 0), (0, 0), (6, 8), (1, 2)), constant_values=-np.inf)
    out = [(n - s) // 2 + 1 for n, s in zip(around.shape[2:], spans, strict=True)]
    attributes = {"kernel": [3, 3], "strides": [2, 2], "dilations": list(dilations), "pads": [6, 1, 8, 2],
                  "out_shape": out}  # fmt: skip
    views = np.lib.stride_tricks.sliding_window_view(around, spans, (2, 3))[:, :, ::2, ::2]
    expected = views[..., :: dilations[0], :: dilations[1]].max((4, 5))
    assert _same(np.asarray(REDUCE["max_pool"](attributes, [None])(x)), np.ascontiguousarray(expected))
