"""Recurrent operators run on the engines, with the results of onnxruntime."""

from types import SimpleNamespace

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnxruntime import InferenceSession  # noqa: E402

from runtime_core.compiler import CompileOptions, Fp32Cast, compile_with_report  # noqa: E402
from runtime_core.engine.numerics import load_program  # noqa: E402
from runtime_core.engine.timing.model import instruction_seconds  # noqa: E402
from runtime_core.rtd.work import work_by_core  # noqa: E402

BATCH, WIDTH, HIDDEN = 2, 3, 5
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def network(operator, steps=7, directions=1, with_bias=True, constant=True, outputs=("y", "h"), **attributes):
    rng = np.random.default_rng(5)
    gates = GATES[operator]
    weights = {
        "w": rng.standard_normal((directions, gates * HIDDEN, WIDTH)),
        "r": rng.standard_normal((directions, gates * HIDDEN, HIDDEN)),
        **({"b": rng.standard_normal((directions, 2 * gates * HIDDEN))} if with_bias else {}),
    }
    weights = {name: value.astype(np.float32) for name, value in weights.items()}
    if directions == 2:
        attributes["direction"] = "bidirectional"
    node = helper.make_node(operator, ["x", *weights], list(outputs), hidden_size=HIDDEN, **attributes)
    inputs = {"x": rng.standard_normal((steps, BATCH, WIDTH)).astype(np.float32), **({} if constant else weights)}
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, v.shape) for n, v in inputs.items()]
    shapes = {"y": (steps, directions, BATCH, HIDDEN)}
    last = (directions, BATCH, HIDDEN)
    made = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shapes.get(n, last)) for n in outputs if n]
    held = [numpy_helper.from_array(v, n) for n, v in weights.items()] if constant else []
    graph = helper.make_graph([node], "g", infos, made, held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), inputs


def agree(operator, **options):
    model, inputs = network(operator, **options)
    expected = InferenceSession(model.SerializeToString()).run(None, inputs)
    compiled = compile_with_report(model, CompileOptions(fp32_cast=Fp32Cast.NONE))
    assert not compiled.report.cpu_operators
    found = load_program(compiled.neff).run(inputs)
    for value, right in zip(found.values(), expected, strict=True):
        np.testing.assert_allclose(value, right, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("operator", GATES)
@pytest.mark.parametrize("constant", [True, False])
def test_forward_reverse_and_both(operator, constant):
    agree(operator, constant=constant)
    agree(operator, constant=constant, direction="reverse")
    agree(operator, constant=constant, directions=2)


@pytest.mark.parametrize("operator", GATES)
def test_without_biases_and_with_one_output(operator):
    agree(operator, with_bias=False)
    agree(operator, outputs=("", "h"))
    agree(operator, outputs=("y",))


def test_the_cell_state_of_an_lstm():
    agree("LSTM", outputs=("y", "h", "c"))


@pytest.mark.parametrize("after", [0, 1])
def test_the_reset_gate_of_a_gru_before_and_after_the_product(after):
    agree("GRU", linear_before_reset=after, directions=2)


@pytest.mark.parametrize("operator", GATES)
def test_a_long_sequence_is_a_few_instructions(operator):
    model, inputs = network(operator, steps=2000, directions=2)
    found = compile_with_report(model, CompileOptions(fp32_cast=Fp32Cast.NONE))
    assert not found.report.cpu_operators
    (node,) = found.neff.graph.nodes
    assert len(node.instructions) < 15
    expected = InferenceSession(model.SerializeToString()).run(None, inputs)
    for value, right in zip(load_program(found.neff).run(inputs).values(), expected, strict=True):
        np.testing.assert_allclose(value, right, rtol=1e-4, atol=2e-6)


def test_a_rectified_recurrence():
    agree("RNN", activations=["Relu"])


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"clip": 1.0}, "clipping"),
        ({"activations": ["Tanh", "Tanh", "Tanh"]}, "activations"),
    ],
)
def test_what_no_instruction_covers_goes_to_a_cpu_node(options, why):
    model, _ = network("LSTM", **options)
    (operator,) = compile_with_report(model).report.cpu_operators
    assert why in operator.reason


def test_engines_count_the_instructions_of_every_step():
    model, _ = network("LSTM", outputs=("y", "h", "c"))
    graph = compile_with_report(model, CompileOptions(fp32_cast=Fp32Cast.NONE)).neff.graph
    work = work_by_core(SimpleNamespace(graph=graph, cores=(3,)))[3]
    # One product for the inputs; per step a product, a bias and 14 operations.
    assert work.pe_instructions == work.pe_matmul_instructions == 1 + 7
    assert (work.act_instructions, work.pool_instructions) == (7 * 5, 1 + 7 * 6)
    assert work.macs == 7 * BATCH * 4 * HIDDEN * (WIDTH + HIDDEN)
    engines_ns = work.pe_ns + work.act_ns + work.pool_ns
    assert engines_ns == pytest.approx(sum(instruction_seconds(graph.nodes[0])) * 1e9, rel=1e-3)
