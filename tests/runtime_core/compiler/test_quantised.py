"""Quantised networks run on the engines, with exactly the integers of onnxruntime."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnxruntime import InferenceSession  # noqa: E402

from runtime_core.compiler import CompileOptions, Fp32Cast, compile_with_report  # noqa: E402
from runtime_core.engine.numerics import load_program  # noqa: E402

RNG = np.random.default_rng(11)
IMAGE = RNG.integers(0, 256, (2, 4, 9, 9), dtype=np.uint8)
WEIGHT = RNG.integers(-128, 128, (6, 2, 3, 3), dtype=np.int8)


def scalar(value, dtype=np.float32):
    return np.asarray(value, dtype)


def both(node, inputs, constants, outputs, cast=Fp32Cast.ALL):
    """Our result and onnxruntime's."""

    def infos(values):
        return [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for n, v in values.items()
        ]

    held = [numpy_helper.from_array(v, n) for n, v in constants.items()]
    graph = helper.make_graph([node], "g", infos(inputs), outputs, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (expected,) = InferenceSession(model.SerializeToString()).run(None, inputs)
    compiled = compile_with_report(model, CompileOptions(fp32_cast=cast))
    assert not compiled.report.cpu_operators
    (found,) = load_program(compiled.neff).run(inputs).values()
    assert found.dtype == expected.dtype
    return found, expected


@pytest.mark.parametrize("scales", [np.float32(0.02), RNG.random(6).astype(np.float32) / 40])
@pytest.mark.parametrize("bias", [None, RNG.integers(-2000, 2000, 6).astype(np.int32)])
def test_a_convolution(scales, bias):
    constants = {
        "xs": scalar(0.031), "xz": scalar(117, np.uint8), "w": WEIGHT, "ws": np.asarray(scales),
        "wz": np.zeros(np.shape(scales), np.int8), "ys": scalar(0.9), "yz": scalar(120, np.uint8),
    }  # fmt: skip
    names = ["x", *constants]
    if bias is not None:
        constants["b"] = bias
        names.append("b")
    node = helper.make_node("QLinearConv", names, ["y"], pads=[1, 1, 1, 1], strides=[2, 2], group=2)
    out = helper.make_tensor_value_info("y", TensorProto.UINT8, (2, 6, 5, 5))
    found, expected = both(node, {"x": IMAGE}, constants, [out])
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found)) > 2


def test_a_product_with_a_scale_a_column():
    a, b = RNG.integers(0, 256, (3, 40), dtype=np.uint8), RNG.integers(-128, 128, (40, 5), dtype=np.int8)
    constants = {
        "as": scalar(0.02), "az": scalar(100, np.uint8), "b": b, "bs": RNG.random(5).astype(np.float32) / 30,
        "bz": np.zeros(5, np.int8), "ys": scalar(0.4), "yz": scalar(128, np.uint8),
    }  # fmt: skip
    node = helper.make_node("QLinearMatMul", ["a", *constants], ["y"])
    out = helper.make_tensor_value_info("y", TensorProto.UINT8, (3, 5))
    found, expected = both(node, {"a": a}, constants, [out])
    np.testing.assert_array_equal(found, expected)


def test_sums_are_scaled_in_fp32():
    # 112140 times the scale is 75.5 in FP32, and less in FP64: to the nearest even number that is 76, not 75.
    a, b = np.array([[255, 255, 255, 117, 126]], np.uint8), np.array([[127], [127], [127], [127], [1]], np.int8)
    constants = {
        "as": scalar(0.0006732655456289649), "az": scalar(0, np.uint8), "b": b, "bs": scalar(1),
        "bz": scalar(0, np.int8), "ys": scalar(1), "yz": scalar(0, np.uint8),
    }  # fmt: skip
    node = helper.make_node("QLinearMatMul", ["a", *constants], ["y"])
    out = helper.make_tensor_value_info("y", TensorProto.UINT8, (1, 1))
    found, expected = both(node, {"a": a}, constants, [out])
    assert found == expected == 76


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_to_integers_and_back_along_an_axis(axis):
    x = RNG.standard_normal((4, 4, 4)).astype(np.float32) * 3
    constants = {"s": RNG.random(4).astype(np.float32) / 20, "z": RNG.integers(-9, 9, 4).astype(np.int8)}
    out = helper.make_tensor_value_info("y", TensorProto.INT8, x.shape)
    found, expected = both(
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"], axis=axis), {"x": x}, constants, [out]
    )
    np.testing.assert_array_equal(found, expected)
    back = helper.make_tensor_value_info("y", TensorProto.FLOAT, x.shape)
    node = helper.make_node("DequantizeLinear", ["x", "s", "z"], ["y"], axis=axis)
    np.testing.assert_array_equal(*both(node, {"x": found}, constants, [back]))


def test_integer_products_are_exact():
    a, b = RNG.integers(0, 256, (2, 5000), dtype=np.uint8), RNG.integers(0, 256, (5000, 3), dtype=np.uint8)
    node = helper.make_node("MatMulInteger", ["a", "b", "", "z"], ["y"])
    out = helper.make_tensor_value_info("y", TensorProto.INT32, (2, 3))
    found, _ = both(node, {"a": a}, {"b": b, "z": scalar(3, np.uint8)}, [out])
    np.testing.assert_array_equal(found, a.astype(np.int64) @ (b.astype(np.int64) - 3))
