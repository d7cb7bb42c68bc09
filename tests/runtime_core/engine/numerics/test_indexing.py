"""Picking, placing, sorting, resampling and transposed convolution against onnxruntime, with known parameters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

onnx = pytest.importorskip("onnx")

from onnx import helper, numpy_helper  # noqa: E402
from onnxruntime import InferenceSession, SessionOptions  # noqa: E402

from runtime_core.compiler import CompileOptions, Fp32Cast  # noqa: E402
from runtime_core.compiler import compile as compile_model  # noqa: E402
from runtime_core.engine.numerics import load_program  # noqa: E402
from runtime_core.neff.graph import NodeKind  # noqa: E402
from runtime_core.neff.reader import read_neff  # noqa: E402
from runtime_core.neff.writer import encode_neff  # noqa: E402


def agree(operator, data, constants=(), outputs=1, opset=18, atol=1e-5, **attributes):
    """``data`` are inputs of the model and ``constants`` follow them; ``None`` is one left out."""
    names = [f"i{n}" for n in range(len(data))]
    fixed = ["" if c is None else f"c{n}" for n, c in enumerate(constants)]
    made = [f"o{n}" for n in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(operator, names + fixed, made, **attributes)],
        "g",
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for n, v in zip(names, data)
        ],
        [helper.make_value_info(n, onnx.TypeProto()) for n in made],
        [numpy_helper.from_array(np.asarray(c), n) for n, c in zip(fixed, constants) if n],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    quiet = SessionOptions()
    quiet.log_severity_level = 4
    feeds = dict(zip(names, data))
    expected = InferenceSession(model.SerializeToString(), quiet).run(None, feeds)
    for info, value in zip(model.graph.output, expected):
        info.CopyFrom(
            helper.make_tensor_value_info(info.name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        )
    neff = read_neff(encode_neff(compile_model(model, CompileOptions(fp32_cast=Fp32Cast.NONE))))
    assert all(n.kind is NodeKind.NEURON for n in neff.graph.nodes)
    found = load_program(neff).run(feeds)
    for name, value in zip(made, expected):
        assert found[name].dtype == value.dtype
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=atol)


def floats(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@settings(max_examples=60)
@given(st.data())
def test_transposed_convolution(data):
    rank = data.draw(st.integers(1, 3))
    group = data.draw(st.sampled_from([1, 2]))
    per_group, out_per_group = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    kernel, strides, dilations = ([data.draw(st.integers(1, 3)) for _ in range(rank)] for _ in range(3))
    spatial = [data.draw(st.integers(1, 4)) for _ in range(rank)]
    extra = [data.draw(st.integers(0, s - 1)) for s in strides]
    lengths = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(spatial, strides, kernel, dilations)]
    begins = [data.draw(st.integers(0, (length - 1) // 2)) for length in lengths]
    ends = [data.draw(st.integers(0, (length - 1) // 2)) for length in lengths]
    x = floats(data.draw(st.integers(1, 2)), group * per_group, *spatial)
    weight = floats(group * per_group, out_per_group, *kernel, seed=1)
    bias = [floats(group * out_per_group, seed=2)] if data.draw(st.booleans()) else []
    agree(
        "ConvTranspose", [x], [weight, *bias], strides=strides, dilations=dilations, group=group,
        pads=begins + ends, output_padding=extra, atol=1e-4,
    )  # fmt: skip


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_transposed_convolution_pads_by_itself(auto_pad):
    agree("ConvTranspose", [floats(1, 2, 5, 4)], [floats(2, 3, 3, 2, seed=1)], strides=[2, 2], auto_pad=auto_pad)


@settings(max_examples=80)
@given(st.data())
def test_resize(data):
    mode = data.draw(st.sampled_from(["nearest", "linear"]))
    coordinates = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    height, width = data.draw(st.integers(2, 6)), data.draw(st.integers(2, 6))
    options = {"mode": mode, "coordinate_transformation_mode": data.draw(st.sampled_from(coordinates))}
    if mode == "nearest":
        rules = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
        options["nearest_mode"] = data.draw(st.sampled_from(rules))
    x = floats(1, 2, height, width)
    # Halves and doubles: factors that both sides hold exactly, so that ties between pixels fall the same way.
    if data.draw(st.booleans()):
        factors = [data.draw(st.sampled_from([0.5, 1.0, 2.0, 4.0])) for _ in range(2)]
        agree("Resize", [x], [None, np.array([1, 1, *factors], np.float32)], **options)
    else:
        sizes = [height * data.draw(st.integers(1, 4)), width * data.draw(st.integers(1, 4))]
        if options["coordinate_transformation_mode"] == "align_corners" and mode == "nearest":
            sizes = [height * 2 - 1, width * 4 - 3]
        agree("Resize", [x], [None, None, np.array([1, 2, *sizes], np.int64)], **options)


def test_resize_of_old_operator_sets():
    factors = np.array([1, 1, 2, 3], np.float32)
    agree("Resize", [floats(1, 2, 3, 2)], [factors], opset=10)
    agree("Upsample", [floats(1, 2, 3, 2)], [factors], opset=9)


@settings(max_examples=40)
@given(st.data())
def test_the_largest_and_smallest_with_the_lower_index_first(data):
    kind = data.draw(st.sampled_from([np.float32, np.int32, np.int64]))
    # Few different values: equal ones are the point.
    x = np.random.default_rng(data.draw(st.integers(0, 99))).integers(-2, 3, (3, 5, 4)).astype(kind)
    axis = data.draw(st.integers(-3, 2))
    count = data.draw(st.integers(1, x.shape[axis]))
    agree("TopK", [x], [np.array([count])], outputs=2, axis=axis, largest=data.draw(st.integers(0, 1)))


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("diagonal", [-2, 0, 1, 7])
def test_triangles(upper, diagonal):
    agree("Trilu", [floats(2, 4, 5)], [np.array(diagonal)], upper=upper)


@pytest.mark.parametrize("reverse", [0, 1])
@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("axis", [0, -1])
def test_running_sums(axis, exclusive, reverse):
    agree("CumSum", [floats(3, 4)], [np.array(axis)], exclusive=exclusive, reverse=reverse)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_one_hot(axis):
    agree("OneHot", [np.array([[0, -1], [2, 1]])], [np.array(3), np.array([0.5, 2.5], np.float32)], axis=axis)


def test_gathering_and_scattering():
    x, places = floats(3, 4), np.array([[0, -1], [2, 1]])
    agree("GatherElements", [x], [places], axis=1)
    agree("GatherND", [floats(2, 3, 4)], [np.array([[[1], [-1]], [[0], [2]]])], batch_dims=1)
    agree("GatherND", [x], [np.array([[2, 3], [0, -1]])])
    agree("ScatterElements", [x], [places, floats(2, 2, seed=1)], axis=1)
    agree("ScatterElements", [x], [np.zeros((2, 2), np.int64), floats(2, 2, seed=1)], axis=0, reduction="add")
    agree("ScatterND", [x], [np.array([[2], [-3]]), floats(2, 4, seed=1)])
    for reduction in ("add", "mul", "max", "min"):
        agree("ScatterND", [x], [np.array([[2], [2]]), floats(2, 4, seed=1)], reduction=reduction)


@pytest.mark.parametrize("equation", ["bij,bjk->bik", "ij,jk", "bhid,bhjd->bhij", "ii->i", "ij->ji", "i,j->ij"])
def test_einsum(equation):
    extents = dict(zip("bhijkd", (2, 3, 4, 4, 5, 6)))
    terms = equation.partition("->")[0].split(",")
    agree(
        "Einsum", [floats(*(extents[c] for c in t), seed=n) for n, t in enumerate(terms)], equation=equation, atol=1e-4
    )


def test_blocks_between_channels_and_image():
    agree("DepthToSpace", [floats(1, 8, 2, 3)], blocksize=2)
    agree("DepthToSpace", [floats(1, 8, 2, 3)], blocksize=2, mode="CRD")
    agree("SpaceToDepth", [floats(1, 2, 4, 6)], blocksize=2)


def test_composite_operators_become_instructions():
    agree("GroupNormalization", [floats(2, 4, 3, 3)], [floats(4, seed=1), floats(4, seed=2)], num_groups=2, opset=21)
    agree("RMSNormalization", [floats(2, 3, 8)], [floats(8, seed=1)], opset=23)
    agree("Attention", [floats(1, 2, 3, 4), floats(1, 2, 5, 4, seed=1), floats(1, 2, 5, 4, seed=2)], opset=23)
    agree("ReduceLogSumExp", [floats(2, 3) * 100], [np.array([1])])
    agree("Mean", [floats(2, 3), floats(3, seed=1), floats(2, 1, seed=2)])
    agree("Hardmax", [floats(2, 3)], axis=0)


def test_remainders_take_their_sign_as_onnx_says():
    a, b = np.array([7, -7, 7, -7], np.int32), np.array([3, 3, -3, -3], np.int32)
    agree("Mod", [a, b])
    agree("Mod", [a, b], fmod=1)
    agree("Mod", [a.astype(np.float32) / 2, b.astype(np.float32)], fmod=1)
