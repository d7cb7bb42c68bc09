"""The importer: sizes, constants, functions, bodies."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from runtime_core.compiler import CompileOptions, Fp32Cast, compile_for_timing, read_model  # noqa: E402
from runtime_core.compiler import compile as compile_model  # noqa: E402
from runtime_core.engine.numerics import load_program  # noqa: E402
from runtime_core.errors import ModelFileError  # noqa: E402
from runtime_core.neff.graph import NodeKind  # noqa: E402


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name, content):
    return numpy_helper.from_array(np.asarray(content), name)


def model(nodes, inputs, outputs, constants=(), opset=17, **options):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(constants))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, **options)


def compiled(made, batch=None):
    return compile_model(made, CompileOptions(batch=batch, fp32_cast=Fp32Cast.NONE))


def kinds(neff):
    return [node.kind for node in neff.graph.nodes]


def node(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def heads(batch="N"):
    """Attention heads as split by exporters: the new shape is computed from the input's shape."""
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s zero", "b"),
        node("Gather", "s one", "l"),
        node("Unsqueeze", "b axis", "bu"),
        node("Unsqueeze", "l axis", "lu"),
        node("Concat", "bu lu four two", "to", axis=0),
        node("Reshape", "x to", "r"),
        node("Transpose", "r", "y", perm=[0, 2, 1, 3]),
    ]
    constants = [constant("zero", 0), constant("one", 1), constant("axis", [0]), constant("four", [4])]
    return model(nodes, [value("x", [batch, 3, 8])], [value("y", [batch, 4, 3, 2])], [*constants, constant("two", [2])])


def test_shapes_that_are_computed_from_known_shapes_are_constants():
    neff = compiled(heads(), batch=2)
    assert kinds(neff) == [NodeKind.NEURON]
    assert [i.opcode for i in neff.graph.nodes[0].instructions] == ["reshape", "transpose"]
    x = np.arange(48, dtype=np.float32).reshape(2, 3, 8)
    np.testing.assert_array_equal(load_program(neff).run({"x": x})["y"], x.reshape(2, 3, 4, 2).transpose(0, 2, 1, 3))


def test_the_batch_is_found_by_its_name_and_other_inputs_keep_their_size():
    made = model(
        [node("Add", "x mask", "y")],
        [value("x", ["N", 8, 8]), value("mask", [8, 8])],
        [value("y", ["N", 8, 8])],
    )
    assert [t.shape for t in compiled(made, batch=4).graph.inputs] == [(4, 8, 8), (8, 8)]


def test_a_fixed_batch_can_be_replaced_and_reshapes_follow():
    made = model(
        [node("Reshape", "x to", "r"), node("Relu", "r", "y")],
        [value("x", [1, 2, 3])],
        [value("y", [1, 6])],
        [constant("to", [1, 6])],
    )
    neff = compiled(made, batch=5)
    assert neff.graph.outputs[0].shape == (5, 6)
    assert neff.graph.batch == 5


@pytest.mark.parametrize("name", ["shufflenet", "squeezenet", "inception_v1"])
def test_a_network_with_another_batch_computes_each_sample_as_before(light_networks, name):
    path = light_networks / f"light_{name}.onnx"
    one, three = (compile_model(path, CompileOptions(batch=b, fp32_cast=Fp32Cast.NONE)) for b in (1, 3))
    (spec,) = three.graph.inputs
    x = np.random.default_rng(0).random(spec.shape, np.float32)
    (together,) = load_program(three).run({spec.name: x}).values()
    (second,) = load_program(one).run({spec.name: x[1:2]}).values()
    np.testing.assert_allclose(together[1], second[0], rtol=1e-4, atol=1e-6)


def test_functions_of_the_model_are_inlined():
    function = helper.make_function(
        "my", "Twice", ["a"], ["b"], [node("Add", "a a", "b")], [helper.make_opsetid("", 17)]
    )
    made = model(
        [helper.make_node("Twice", ["x"], ["y"], domain="my")], [value("x", [3])], [value("y", [3])],
        functions=[function],
    )  # fmt: skip
    made.opset_import.append(helper.make_opsetid("my", 1))
    neff = compiled(made)
    assert kinds(neff) == [NodeKind.NEURON]
    assert load_program(neff).run({"x": np.ones(3, np.float32)})["y"].tolist() == [2, 2, 2]


def test_bodies_see_what_is_around_them():
    then = helper.make_graph([node("Add", "x k", "t")], "then", [], [value("t", [3])])
    other = helper.make_graph([node("Relu", "z", "e")], "else", [], [value("e", [3])])
    # The body reads the copy by name, so the copy must be kept.
    nodes = [node("Neg", "x", "n"), node("Identity", "n", "z")]
    nodes.append(node("If", "c", "y", then_branch=then, else_branch=other))
    made = model(
        nodes, [value("x", [3]), value("c", [], TensorProto.BOOL)], [value("y", [3])],
        [constant("k", np.ones(3, np.float32))],
    )  # fmt: skip
    program = load_program(compiled(made))
    x = np.full(3, -2, np.float32)
    assert program.run({"x": x, "c": np.array(True)})["y"].tolist() == [-1, -1, -1]
    assert program.run({"x": x, "c": np.array(False)})["y"].tolist() == [2, 2, 2]


def test_sparse_constants_are_constants():
    made = model([node("Add", "x w", "y")], [value("x", [3])], [value("y", [3])])
    values, places = constant("w", np.array([1, 2], np.float32)), constant("places", [0, 2])
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [3]))
    assert load_program(compiled(made)).run({"x": np.zeros(3, np.float32)})["y"].tolist() == [1, 0, 2]


def test_dropout_drops_nothing_in_inference_and_is_left_to_the_cpu_in_training():
    def made(training):
        return model(
            [node("Dropout", "x ratio training", "y")], [value("x", [3])], [value("y", [3])],
            [constant("ratio", np.float32(0.5)), constant("training", training)],
        )  # fmt: skip

    x = np.ones(3, np.float32)
    assert load_program(compiled(made(False))).run({"x": x})["y"].tolist() == [1, 1, 1]
    assert kinds(compiled(made(True))) == [NodeKind.CPU]


BOMBS = {
    "Expand": ([constant("a", np.ones(1, np.float32)), constant("b", [1 << 20, 1 << 20])], "a b"),
    "Tile": ([constant("a", np.ones(1, np.float32)), constant("b", [1 << 36])], "a b"),
    "Range": ([constant("a", 0), constant("b", 1 << 40), constant("c", 1)], "a b c"),
    "MatMul": ([constant("a", np.ones((1 << 18, 1), np.float32)), constant("b", np.ones((1, 1 << 18), np.float32))],
               "a b"),
}  # fmt: skip


@pytest.mark.parametrize("operator", BOMBS)
def test_constants_that_would_fill_the_memory_are_refused_before_they_are_made(operator):
    constants, names = BOMBS[operator]
    nodes = [node(operator, names, "e"), node("Size", "e", "n"), node("Cast", "n", "f", to=1), node("Add", "x f", "y")]
    with pytest.raises(ModelFileError, match="too large"):
        compiled(model(nodes, [value("x", [3])], [value("y", [3])], constants))


def test_a_tensor_larger_than_a_device_is_refused():
    shape = [1 << 20, 1 << 20]
    with pytest.raises(ModelFileError, match="8 GiB of a device"):
        compiled(model([node("Relu", "x", "y")], [value("x", shape)], [value("y", shape)]))


def test_a_constant_with_less_data_than_it_declares_is_refused():
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1 << 40, 1 << 20], raw_data=b"1234")
    with pytest.raises(ModelFileError, match="w"):
        compiled(model([node("Add", "x w", "y")], [value("x", [3])], [value("y", [3])], [tensor]))


@pytest.mark.parametrize(("batch", "cores"), [(None, 1), (2, 4), (1, 2)])
def test_a_model_that_is_read_once_compiles_to_the_same_graphs_without_parameters(light_networks, batch, cores):
    path = light_networks / "light_squeezenet.onnx"
    read, options = read_model(path), CompileOptions(batch=batch, pipeline_cores=cores)
    for _ in range(2):
        timed = compile_for_timing(read, options)
        assert timed.graph == compile_model(path, options).graph
        assert not timed.params


CONSTANT_OUTPUTS = {
    "an instruction reads it": "(float[3] k, float[2,3] y) <float[3] w = {1,2,3}> { k = Neg(w) y = Add(x, k) }",
    "its kernel's parameter": "(float[3,2] w, float[2,2] y) <float[3,2] w = {1,2,3,4,5,6}> { y = MatMul(x, w) }",
    "a shape": "(int64[2] s, float[3,2] y) <int64[2] r = {1,0}> { n = Shape(x) s = Gather(n, r) y = Reshape(x, s) }",
    "a body reads it": """(float[3] k, float[2,3] y) <float[3] w = {1,2,3}> {
        k = Neg(w) any = ReduceMax<keepdims=0>(x) b = Greater(any, any)
        y = If(b) <then_branch = t () => (float[2,3] p) { p = Add(x, k) },
                   else_branch = e () => (float[2,3] q) { q = Sub(x, k) }> }""",
    "shapes open until run time": """(float[3] k, float[N,3] y) <float[3] w = {1,2,3}, float four = {4}> {
        k = Neg(w) first = ReduceSum<axes=[1], keepdims=0>(x) some = Greater(first, four)
        rows = Compress<axis=0>(x, some) y = Add(rows, k) }""",
}


@pytest.mark.parametrize("text", CONSTANT_OUTPUTS.values(), ids=CONSTANT_OUTPUTS)
def test_a_constant_is_an_output_and_read_by_other_operators(text):
    runtime = pytest.importorskip("onnxruntime")
    made = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 12]> g (float[2,3] x) => {text}')
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    want = runtime.InferenceSession(made.SerializeToString()).run(None, {"x": x})
    got = load_program(compiled(made)).run({"x": x})
    for output, array in zip(made.graph.output, want, strict=True):
        np.testing.assert_array_equal(got[output.name], array)
        assert got[output.name].dtype == array.dtype
