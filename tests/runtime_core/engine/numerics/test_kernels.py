"""Kernels against onnxruntime, on random shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402
from onnxruntime import InferenceSession, SessionOptions  # noqa: E402

from runtime_core.compiler import CompileOptions, Fp32Cast  # noqa: E402
from runtime_core.compiler import compile as compile_model  # noqa: E402
from runtime_core.engine.compute import compute  # noqa: E402
from runtime_core.engine.numerics import load_program  # noqa: E402
from runtime_core.engine.numerics.types import narrowing  # noqa: E402
from runtime_core.neff.graph import NodeKind  # noqa: E402
from runtime_core.status import NrtStatus  # noqa: E402

EXACT = CompileOptions(fp32_cast=Fp32Cast.NONE)


def run_both(op, inputs, outputs=1, opset=18, on_cores=True, **attributes):
    """The operator through our compiler and numerics, and through onnxruntime."""
    names = [f"i{n}" for n in range(len(inputs))]
    made = [f"o{n}" for n in range(outputs)]
    node = helper.make_node(op, names, made, **attributes)
    infos = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
        for n, v in zip(names, inputs, strict=True)
    ]
    outs = [helper.make_value_info(n, onnx.TypeProto()) for n in made]
    # Its answer tells the types; shape inference in the compiler has to find the same.
    bare = helper.make_model(
        helper.make_graph([node], "g", infos, outs), opset_imports=[helper.make_opsetid("", opset)]
    )
    feeds = dict(zip(names, inputs, strict=True))
    bare.ir_version = 8
    quiet = SessionOptions()
    quiet.log_severity_level = 3
    expected = InferenceSession(bare.SerializeToString(), quiet).run(None, feeds)
    typed = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(np.asarray(v).dtype), np.asarray(v).shape)
        for n, v in zip(made, expected, strict=True)
    ]
    model = helper.make_model(
        helper.make_graph([node], "g", infos, typed), opset_imports=[helper.make_opsetid("", opset)], ir_version=8
    )
    neff = compile_model(model, EXACT)
    if on_cores:
        assert all(n.kind is NodeKind.NEURON for n in neff.graph.nodes)
    found = load_program(neff).run(feeds)
    return [found[n] for n in made], expected


def agree(op, inputs, rtol=1e-5, atol=1e-5, **options):
    found, expected = run_both(op, inputs, **options)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def floats(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@settings(max_examples=40)
@given(st.data())
def test_convolution(data):
    rank = data.draw(st.integers(1, 3))
    group = data.draw(st.sampled_from([1, 2, 3]))
    per_group, out_per_group = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    kernel = [data.draw(st.integers(1, 3)) for _ in range(rank)]
    dilations = [data.draw(st.integers(1, 2)) for _ in range(rank)]
    strides = [data.draw(st.integers(1, 3)) for _ in range(rank)]
    pads = [data.draw(st.integers(0, 2)) for _ in range(2 * rank)]
    spatial = [(k - 1) * d + 1 + data.draw(st.integers(0, 4)) for k, d in zip(kernel, dilations, strict=True)]
    batch = data.draw(st.integers(1, 2))
    x = floats(batch, group * per_group, *spatial)
    w = floats(group * out_per_group, per_group, *kernel, seed=1)
    b = floats(group * out_per_group, seed=2)
    inputs = [x, w, b] if data.draw(st.booleans()) else [x, w]
    agree("Conv", inputs, strides=strides, dilations=dilations, pads=pads, group=group, atol=1e-4)


@settings(max_examples=40)
@given(st.data())
def test_pooling(data):
    op = data.draw(st.sampled_from(["MaxPool", "AveragePool"]))
    kernel = [data.draw(st.integers(1, 3)) for _ in range(2)]
    strides = [data.draw(st.integers(1, 3)) for _ in range(2)]
    pads = [data.draw(st.integers(0, k - 1)) for k in kernel] * 2
    x = floats(1, 2, *[k + data.draw(st.integers(0, 5)) for k in kernel])
    options = {"count_include_pad": data.draw(st.integers(0, 1))} if op == "AveragePool" else {}
    agree(op, [x], kernel_shape=kernel, strides=strides, pads=pads, **options)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_automatic_padding(auto_pad):
    agree("MaxPool", [floats(1, 1, 7, 8)], kernel_shape=[3, 2], strides=[2, 2], auto_pad=auto_pad)
    agree("Conv", [floats(1, 1, 7, 8), floats(1, 1, 3, 2, seed=1)], strides=[2, 2], auto_pad=auto_pad)


UNARY = ["Relu", "Sigmoid", "Tanh", "Exp", "Erf", "Neg", "Abs", "Softplus", "Softsign", "Floor", "Ceil", "Sin", "Cos",
         "Sign", "Round", "HardSwish", "Mish", "LeakyRelu", "Elu", "Selu", "HardSigmoid", "ThresholdedRelu",
         "Celu"]  # fmt: skip


@pytest.mark.parametrize("op", UNARY)
def test_functions_of_one_value(op):
    agree(op, [floats(3, 5) * 3])


@pytest.mark.parametrize("op", ["Sqrt", "Log", "Reciprocal"])
def test_functions_of_positive_values(op):
    agree(op, [np.abs(floats(3, 5)) + 0.1])


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate):
    agree("Gelu", [floats(4, 9) * 2], opset=20, approximate=approximate)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Greater", "Less", "Equal", "PRelu", "Max", "Min", "Sum"])
def test_functions_of_two_values_broadcast(op):
    agree(op, [floats(2, 3, 4), floats(3, 1, seed=1)])


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "int64", "uint8", "uint32"])
@pytest.mark.parametrize(("op", "attributes"), [("Div", {}), ("Mod", {}), ("Mod", {"fmod": 1})])
def test_integer_division_truncates(op, attributes, kind):
    limits = np.iinfo(kind)
    dividends = [7, -7, 7, -7, limits.min, limits.min, limits.max, 1 - limits.max]
    agree(op, [np.array(values).astype(kind) for values in (dividends, [2, 2, -2, -2, 2, -3, -1, -1])], **attributes)


@pytest.mark.parametrize("op", ["Div", "Mod"])
@pytest.mark.parametrize("kind", ["int32", "int64", "uint8"])
def test_an_integer_division_by_zero_fails_as_in_onnxruntime(op, kind):
    dividends, divisors = np.array([6, 5], kind), np.array([2, 0], kind)
    with pytest.raises(Exception, match=r"(?i)integer .* by zero"):
        agree(op, [dividends, divisors])
    info = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), [2]) for n in "xzy"]
    graph = helper.make_graph([helper.make_node(op, ["x", "z"], ["y"])], "g", info[:2], info[2:])
    program = load_program(compile_model(helper.make_model(graph, ir_version=8), EXACT))
    outputs, status, why = compute(program, {"x": dividends, "z": divisors})
    assert (dict(outputs), status) == ({}, NrtStatus.EXEC_COMPLETED_WITH_ERR)
    assert "an integer is divided by zero" in why
    outputs, status, _ = compute(program, {"x": dividends, "z": dividends})
    assert status is NrtStatus.SUCCESS


@pytest.mark.parametrize(
    "op", ["ReduceMax", "ReduceMin", "ReduceMean", "ReduceSum", "ReduceProd", "ReduceL1", "ReduceL2"]
)
@pytest.mark.parametrize("keep", [0, 1])
def test_reductions_over_all_axes(op, keep):
    agree(op, [floats(2, 3, 4)], opset=18, keepdims=keep)


@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "ArgMax", "ArgMin"])
def test_along_an_axis(op, axis):
    agree(op, [floats(2, 5, 3)], axis=axis)


def test_softmax_of_old_operator_sets_takes_everything_from_the_axis_on():
    agree("Softmax", [floats(2, 3, 4)], opset=11, axis=1)


def test_normalisation():
    agree("LayerNormalization", [floats(2, 3, 8), floats(8, seed=1), floats(8, seed=2)], axis=-1)
    agree("InstanceNormalization", [floats(2, 3, 4, 4), floats(3, seed=1), floats(3, seed=2)])
    agree("LRN", [floats(1, 7, 3, 3)], size=3)
    agree("LRN", [floats(1, 7, 3, 3)], size=5)


def test_products():
    agree("MatMul", [floats(2, 1, 3, 4), floats(5, 4, 6, seed=1)], atol=1e-4)
    agree("Gemm", [floats(4, 3), floats(5, 4, seed=1), floats(5, seed=2)], transA=1, transB=1, alpha=0.5, beta=2.0)


def test_movement():
    agree("Transpose", [floats(2, 3, 4)], perm=[2, 0, 1])
    agree("Concat", [floats(2, 3), floats(2, 1, seed=1)], axis=-1)
    agree("Gather", [floats(5, 3), np.array([[0, -1], [4, 2]])], axis=0)
    agree("Where", [np.array([True, False]), floats(3, 2), floats(2, seed=1)])
    agree("Cast", [floats(3) * 9], to=TensorProto.INT32)
    agree("Split", [floats(6, 2)], outputs=3, axis=0, num_outputs=3)


def test_what_no_engine_runs_goes_to_a_cpu_node_and_is_right():
    agree("Cosh", [floats(3)], on_cores=False)


def test_bfloat16_rounds_to_nearest_even():
    half = np.float32(2**-8)
    below, tie_even, tie_odd, above = 1 + half * 0.99, 1 + half, 1 + 3 * half, 1 + half * 1.01
    values = np.array([below, tie_even, tie_odd, above, np.inf, -np.inf], np.float32)
    expected = np.array([1, 1, 1 + 4 * half, 1 + 2 * half, np.inf, -np.inf], np.float32)
    round_bfloat16 = narrowing({"cast": "bfloat16"})
    np.testing.assert_array_equal(round_bfloat16(values), expected)
    assert np.isnan(round_bfloat16(np.array([np.nan], np.float32)))[0]


def test_a_cpu_operator_that_fails_says_which_node_and_why():
    body = helper.make_node("Reshape", ["x", "shape"], ["y"])
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2, 3]) for n in "xy"]
    info.insert(1, helper.make_tensor_value_info("shape", TensorProto.INT64, [2]))
    neff = compile_model(helper.make_model(helper.make_graph([body], "g", info[:2], info[2:]), ir_version=8))
    with pytest.raises(RuntimeError, match=r"^CPU node 'cpu00': .*Reshape"):
        load_program(neff).run({"x": floats(2, 3), "shape": np.array([4, 4])})
