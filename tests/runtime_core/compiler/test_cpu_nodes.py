"""CPU nodes: their evaluator, shapes known at run time, and operators without an evaluator."""

import sys

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from runtime_core.compiler import compile as compile_model  # noqa: E402
from runtime_core.compiler.onnx_backend import NeuronBackend  # noqa: E402
from runtime_core.engine.numerics import load_program  # noqa: E402
from runtime_core.errors import ModelFileError  # noqa: E402
from runtime_core.neff.graph import NodeKind  # noqa: E402


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def node(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def model(nodes, inputs, outputs, constants=(), opset=17, domains=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(constants))
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(*d) for d in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def test_an_output_whose_shape_depends_on_the_values():
    made = model(
        [node("NonZero", "x", "n"), node("Transpose", "n", "y")], [value("x", [6])], [value("y", [None, 1], 7)]
    )
    rep = NeuronBackend.prepare(made)
    (spec,) = rep.neff.graph.outputs
    assert (spec.shape, spec.at_most) == ((6, 1), True)
    assert rep.run([np.array([0, 3, 0, 1, 0, 0], np.float32)])[0].tolist() == [[1], [3]]
    assert rep.run([np.zeros(6, np.float32)])[0].shape == (0, 1)


def test_a_result_that_is_larger_than_its_bound_is_refused_not_cut():
    made = model(
        [node("Cast", "x", "s", to=7), node("ConstantOfShape", "s", "y")], [value("x", [1])], [value("y", [None])]
    )
    rep = NeuronBackend.prepare(made)
    assert rep.run([np.array([5], np.float32)])[0].shape == (5,)
    with pytest.raises(RuntimeError, match=r"has the shape \[5000\].*\[1024\] at most"):
        rep.run([np.array([5000], np.float32)])


def test_values_of_unknown_shape_pass_between_cpu_nodes_beside_a_neuron_node():
    nodes = [
        node("NonZero", "x", "n"),
        node("Relu", "x", "r"),
        node("Gather", "r n", "g"),
        node("ReduceSum", "g", "y", keepdims=0),
    ]
    rep = NeuronBackend.prepare(model(nodes, [value("x", [4])], [value("y", [])]))
    assert NodeKind.NEURON in [n.kind for n in rep.neff.graph.nodes]
    assert rep.run([np.array([-1, 2, 0, 3], np.float32)])[0] == 5


def test_an_output_that_is_an_input():
    x = np.array([1, -1], np.float32)
    rep = NeuronBackend.prepare(model([node("Neg", "x", "y")], [value("x", [2])], [value("y", [2]), value("x", [2])]))
    assert [v.tolist() for v in rep.run([x])] == [[-1, 1], [1, -1]]
    rep = NeuronBackend.prepare(model([], [value("x", [2])], [value("x", [2])]))
    assert rep.run([x])[0].tolist() == [1, -1]


def test_an_operator_that_nothing_runs_is_named_with_its_own_domain_and_version():
    made = model(
        [node("Frobnicate", "x", "y", domain="com.example", name="f")],
        [value("x", [2])],
        [value("y", [2])],
        domains=[("com.example", 3)],
    )
    with pytest.raises(ModelFileError, match=r"Frobnicate \(domain 'com.example', operator set 3\) of node 'f'"):
        compile_model(made)


def test_a_cpu_node_that_would_fail_every_time_is_refused_when_compiling():
    made = model([node("LpNormalization", "x", "y", axis=5, name="norm")], [value("x", [2, 3])], [value("y", [2, 3])])
    with pytest.raises(ModelFileError, match=r"LpNormalization.*of node 'norm'.*axis 5"):
        compile_model(made)


def test_a_loop_that_does_not_end_is_not_waited_for():
    body = helper.make_graph(
        [node("Identity", "c", "d"), node("Neg", "a", "b")], "body",
        [value("i", [], 7), value("c", [], 9), value("a", [2])], [value("d", [], 9), value("b", [2])],
    )  # fmt: skip
    loop = node("Loop", "n c x", "y")
    loop.input[1] = ""
    loop.attribute.append(helper.make_attribute("body", body))
    made = model([loop], [value("x", [2])], [value("y", [2])], [numpy_helper.from_array(np.array(1 << 62), "n")])
    assert compile_model(made).graph.nodes[0].kind is NodeKind.CPU


def test_bfloat16_passes_through_a_cpu_node():
    import ml_dtypes

    made = model([node("LpNormalization", "x", "y", axis=0)], [value("x", [2], 16)], [value("y", [2], 16)], opset=22)
    (y,) = NeuronBackend.prepare(made).run([np.array([3, 4], ml_dtypes.bfloat16)])
    assert y.dtype == ml_dtypes.bfloat16
    np.testing.assert_allclose(y.astype(np.float32), [0.6, 0.8], rtol=1e-2)


def test_without_onnx_runtime_the_line_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    made = model([node("LpNormalization", "x", "y")], [value("x", [2, 3])], [value("y", [2, 3])])
    with pytest.raises(ModelFileError, match="require the Python package 'onnxruntime', which is not installed"):
        compile_model(made)
    # Operators on the cores need no evaluator.
    assert load_program(compile_model(model([node("Relu", "x", "y")], [value("x", [2])], [value("y", [2])])))


def test_an_output_of_unknown_rank_has_the_rank_that_runs_make():
    """The onnx package infers no shape for a loop-carried value."""
    made = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]>
        g (float[2,3] x, int64 n) => (float y) {
            y = Loop (n, "", x) <body = b (int64 i, bool c, float[2,3] v) => (bool d, float[2,6] w) {
                d = Identity (c) w = Concat <axis = 1> (v, v) }> }""")
    made.graph.output[0].type.tensor_type.ClearField("shape")
    rep = NeuronBackend.prepare(made)
    assert len(rep.neff.graph.outputs[0].shape) == 2
    (y,) = rep.run([np.ones((2, 3), np.float32), np.array(2)])
    np.testing.assert_array_equal(y, np.ones((2, 12), np.float32))


def test_what_the_onnx_package_infers_wrongly_of_a_short_time_fourier_transform_is_right():
    made = model(
        [helper.make_node("STFT", ["s", "step", "", "n"], ["y"])],
        [value("s", [1, 64, 1])], [value("y", [1, None, None, 2])],
        [numpy_helper.from_array(np.array(8), "step"), numpy_helper.from_array(np.array(16), "n")],
    )  # fmt: skip
    rep = NeuronBackend.prepare(made)
    assert rep.run([np.ones((1, 64, 1), np.float32)])[0].shape == (1, 7, 9, 2)


@pytest.mark.parametrize(("operator", "least"), [("ReduceMax", -np.inf), ("ReduceMin", np.inf), ("ReduceSum", 0)])
def test_a_reduction_of_nothing(operator, least):
    axes = numpy_helper.from_array(np.array([1], np.int64), "axes")
    made = model([node(operator, "x axes", "y")], [value("x", [2, 0, 3])], [value("y", [2, 1, 3])], [axes], opset=20)
    (y,) = NeuronBackend.prepare(made).run([np.zeros((2, 0, 3), np.float32)])
    np.testing.assert_array_equal(y, np.full((2, 1, 3), least, np.float32))


def test_a_shape_with_a_negative_extent_is_refused_by_the_name_of_the_value():
    made = model([node("Split", "x", "a b c d", num_outputs=4)], [value("x", [1])],
                 [value(n, [None]) for n in "abcd"], opset=18)  # fmt: skip
    with pytest.raises(ModelFileError, match=r"do not fit together: '[cd]' would have the shape \[-"):
        compile_model(made)


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "Hardmax", "Transpose"])
@pytest.mark.parametrize("shape", [(0,), (2, 0)])
def test_rows_of_nothing_stay_nothing(operator, shape):
    rep = NeuronBackend.prepare(
        model(
            [node(operator, "x", "y")],
            [value("x", shape)],
            [value("y", shape[::-1] if operator == "Transpose" else shape)],
        )
    )
    assert rep.run([np.zeros(shape, np.float32)])[0].size == 0


def test_a_scalar_stays_a_scalar_when_it_is_transposed():
    rep = NeuronBackend.prepare(model([node("Transpose", "x", "y")], [value("x", [])], [value("y", [])]))
    assert rep.run([np.array(3, np.float32)])[0].shape == ()
