"""A file that cannot be compiled results in one clear line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402

from runtime_core.compiler import CompileOptions  # noqa: E402
from runtime_core.compiler import compile as compile_model  # noqa: E402
from runtime_core.engine.numerics import load_program  # noqa: E402
from runtime_core.errors import ModelFileError, NeuronError, UsageError  # noqa: E402


def value(name, shape=(1, 3), kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs=None, outputs=None, initializers=(), opset=18):
    graph = helper.make_graph(nodes, "g", inputs or [value("x")], outputs or [value("y")], list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def refused(made, tmp_path, options=None):
    path = tmp_path / "m.onnx"
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    with pytest.raises(NeuronError) as caught:
        compile_model(path, options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


RELU = helper.make_node("Relu", ["x"], ["y"], name="r")


def test_no_file(tmp_path):
    with pytest.raises(ModelFileError, match="no such"):
        compile_model(tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"not a model", b"PK\x03\x04zip"])
def test_no_onnx_file(tmp_path, content):
    refused(content, tmp_path)


def test_a_truncated_file(tmp_path):
    data = model([RELU]).SerializeToString()
    for size in range(1, len(data), 7):
        refused(data[:size], tmp_path)


def test_a_cycle(tmp_path):
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    nodes.append(helper.make_node("Relu", ["b"], ["y"]))
    refused(model(nodes), tmp_path)


def test_external_data_outside_the_folder(tmp_path):
    outside = tmp_path / "secret.bin"
    outside.write_bytes(b"\0" * 12)
    folder = tmp_path / "models"
    folder.mkdir()
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1, 3], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../secret.bin")
    refused(model([helper.make_node("Add", ["x", "w"], ["y"])], initializers=[tensor]), folder)


def test_a_huge_declared_constant(tmp_path):
    shape = onnx.numpy_helper.from_array(np.array([1 << 40, 1 << 20]), "s")
    nodes = [helper.make_node("ConstantOfShape", ["s"], ["c"]), helper.make_node("Add", ["x", "c"], ["y"])]
    assert "too large" in refused(model(nodes, initializers=[shape]), tmp_path)


def test_an_open_dimension_names_the_input(tmp_path):
    made = model([RELU], [value("x", ("N", "C"))], [value("y", ("N", "C"))])
    assert "input 'x'" in refused(made, tmp_path)


def test_an_open_batch_is_one_or_what_is_asked_for(tmp_path):
    made = model([RELU], [value("x", ("N", 3))], [value("y", ("N", 3))])
    path = tmp_path / "m.onnx"
    path.write_bytes(made.SerializeToString())
    assert compile_model(path).graph.batch == 1
    assert compile_model(path, CompileOptions(batch=6)).graph.outputs[0].shape == (6, 3)


def test_an_operator_that_nothing_can_run_is_named(tmp_path):
    node = helper.make_node("Frobnicate", ["x"], ["y"], name="f1", domain="com.example")
    made = model([node])
    made.opset_import.append(helper.make_opsetid("com.example", 1))
    message = refused(made, tmp_path)
    assert "Frobnicate" in message
    assert "f1" in message


def test_shapes_that_do_not_fit(tmp_path):
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    refused(model([node], [value("x", (1, 3)), value("w", (4, 5))], [value("y", (1, 5))]), tmp_path)


def test_a_slope_larger_than_its_input(tmp_path):
    made = model([helper.make_node("PRelu", ["x", "slope"], ["y"], name="p")], [value("x"), value("slope", (2, 3))])
    text = refused(made, tmp_path)
    assert "operator PRelu of node 'p': 'slope' of the shape [2, 3] does not broadcast to [1, 3]" in text
    assert text.startswith(str(tmp_path)) and text.endswith(": export the model with shapes that fit")


@pytest.mark.parametrize("options", [CompileOptions(pipeline_cores=0), CompileOptions(batch=0)])
def test_options_that_make_no_sense(tmp_path, options):
    path = tmp_path / "m.onnx"
    path.write_bytes(model([RELU]).SerializeToString())
    with pytest.raises(UsageError):
        compile_model(path, options)


@pytest.mark.parametrize("equation", ["....ii->i", "...i\x80->i", "...i...j->i", "i>j", "1j->j"])
def test_an_equation_that_is_none_is_refused_before_it_is_looked_at(tmp_path, equation):
    node = helper.make_node("Einsum", ["x"], ["y"], equation=equation)
    assert "Einsum" in refused(model([node]), tmp_path)


def test_a_name_that_is_no_text(tmp_path):
    raw = model([helper.make_node("Relu", ["x"], ["?!"]), helper.make_node("Exp", ["?!"], ["y"])]).SerializeToString()
    refused(raw.replace(b"?!", b"\xff\xfe"), tmp_path)


BYTES = model([helper.make_node("Add", ["x", "x"], ["a"]), helper.make_node("Relu", ["a"], ["y"])]).SerializeToString()


@settings(max_examples=150)
@given(st.data())
def test_a_mutated_file_compiles_or_is_refused_and_never_anything_else(tmp_path_factory, data):
    raw = bytearray(BYTES)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("m") / "m.onnx"
    path.write_bytes(bytes(raw))
    try:
        compile_model(path)
    except NeuronError as error:
        assert "\n" not in str(error)


def test_a_model_without_outputs(tmp_path):
    made = model([RELU])
    del made.graph.output[:]
    assert "nothing to compute" in refused(made, tmp_path)


def test_an_operator_that_its_operator_set_has_not(tmp_path):
    unknown = refused(model([helper.make_node("Frobnicate", ["x"], ["y"], name="frob")]), tmp_path)
    assert "'frob'" in unknown and "Frobnicate" in unknown and "operator set 18" in unknown
    early = refused(model([helper.make_node("Gelu", ["x"], ["y"], name="g1")], opset=17), tmp_path)
    assert "'g1'" in early and "export the model with operator set 20" in early


def test_an_operator_set_from_after_the_onnx_package(tmp_path):
    newest = onnx.defs.onnx_opset_version()
    assert f"supports up to {newest}" in refused(model([RELU], opset=newest + 1), tmp_path)


def test_an_input_without_a_shape(tmp_path):
    assert "input 'x' has no shape" in refused(model([RELU], inputs=[value("x", None)]), tmp_path)


def test_an_output_without_a_shape_gets_it_from_inference(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(model([RELU], outputs=[value("y", None)]).SerializeToString())
    assert compile_model(path).graph.outputs[0].shape == (1, 3)


def test_a_value_that_nothing_makes_is_named_with_its_reader(tmp_path):
    said = refused(model([helper.make_node("Relu", ["q"], ["y"], name="reader")]), tmp_path)
    assert "'q'" in said and "reader" in said


def quotient(dividend, divisor, op="Div"):
    """x + dividend / divisor, of constants; with ``None``, x / divisor."""
    given = {"a": dividend, "b": divisor}
    constants = [onnx.numpy_helper.from_array(np.int32(v), n) for n, v in given.items() if v is not None]
    nodes = [helper.make_node(op, ["a" if dividend else "x", "b"], ["q"]), helper.make_node("Add", ["x", "q"], ["y"])]
    values = [value(name, (2,), TensorProto.INT32) for name in "xy"]
    return model(nodes, values[:1], values[1:], constants)


@pytest.mark.parametrize("dividend", [[6, 5], None])
@pytest.mark.parametrize("op", ["Div", "Mod"])
def test_a_constant_integer_divisor_of_zero_is_refused(dividend, op, tmp_path):
    said = refused(quotient(dividend, [2, 0], op), tmp_path)
    assert f"operator {op} of node 'q' divides integers by zero: 'b' contains a 0" in said


def test_a_constant_quotient_that_overflows_does_not_end_the_compiler():
    """ONNX Runtime would end the process: the processor has no quotient for it."""
    lowest = np.iinfo(np.int32).min
    program = load_program(compile_model(quotient([lowest, 6], [-1, -1])))
    assert program.run({"x": np.zeros(2, np.int32)})["y"].tolist() == [lowest, -6]
