"""A model compiled for a dynamic batch takes any number of samples."""

import os

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from runtime_core.compiler import CompileOptions  # noqa: E402
from runtime_core.compiler import compile as compile_model  # noqa: E402
from runtime_core.errors import ModelFileError  # noqa: E402
from runtime_core.neff.writer import encode_neff  # noqa: E402
from runtime_core.nrt import NrtError, NrtStatus, Runtime, TensorPlacement, TensorSet  # noqa: E402
from runtime_core.telemetry import open_source  # noqa: E402

WEIGHT = np.arange(12, dtype=np.float32).reshape(3, 4)


def product(out_shape=("N", 4), nodes=None):
    nodes = nodes or [helper.make_node("MatMul", ["x", "w"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, out_shape)
    return helper.make_model(helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(WEIGHT, "w")]),
                             opset_imports=[helper.make_opsetid("", 17)], ir_version=8)  # fmt: skip


@pytest.fixture
def runtime(node):
    with Runtime(environment={"NEURON_RT_VISIBLE_CORES": "0", "NEURON_RT_LOG_LEVEL": "QUIET"}) as opened:
        yield opened


@pytest.fixture
def model(runtime):
    return runtime.load(encode_neff(compile_model(product(), CompileOptions(batch=4, dynamic_batch=True))))


def samples(count):
    return np.random.default_rng(count).integers(-8, 8, (count, 3)).astype(np.float32)


def executions():
    (own,) = (r for r in open_source().snapshot().runtimes if r.pid == os.getpid())
    return own.executions.completed


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 13])
def test_any_number_of_samples_gives_as_many_results(runtime, model, count):
    x = samples(count)
    result = runtime.infer(model, {"x": x})
    np.testing.assert_array_equal(result.outputs["y"], x @ WEIGHT)
    assert executions() == -(-count // 4)


def test_tensor_sets_hold_whole_samples(runtime, model):
    x = samples(6)
    given, taken = TensorSet(), TensorSet()
    source = runtime.tensor_allocate(TensorPlacement.HOST, x.nbytes)
    target = runtime.tensor_allocate(TensorPlacement.HOST, 6 * 4 * 4)
    source.view()[:] = x.tobytes()
    given.add("x", source)
    taken.add("y", target)
    runtime.execute(model, given, taken)
    np.testing.assert_array_equal(np.frombuffer(target.view(), np.float32).reshape(6, 4), x @ WEIGHT)
    short = TensorSet()
    short.add("y", runtime.tensor_allocate(TensorPlacement.HOST, 5 * 4 * 4))
    with pytest.raises(NrtError, match="has 96 bytes") as caught:
        runtime.execute(model, given, short)
    assert caught.value.status is NrtStatus.EXEC_BAD_INPUT


@pytest.mark.parametrize("shape", [(0, 3), (5, 2), (3,)])
def test_what_are_no_samples_is_bad_input(runtime, model, shape):
    with pytest.raises(NrtError) as caught:
        runtime.infer(model, {"x": np.zeros(shape, np.float32)})
    assert caught.value.status is NrtStatus.EXEC_BAD_INPUT


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"x": np.zeros((1, 2), np.float32)}, r"is float32\[1, 2\]"),
        ({"q": np.zeros((1, 3), np.float32)}, "'x' of 'g' is missing"),
        ({}, "'x' of 'g' is missing"),
        ({"x": np.zeros((5, 3))}, r"is float64\[5, 3\]"),
        ({"x": [[0.0] * 3]}, r"is float64\[1, 3\]"),
    ],
)
def test_other_faults_are_told_of_the_arrays_as_they_came(runtime, model, inputs, said):
    with pytest.raises(NrtError, match=said) as caught:
        runtime.infer(model, inputs)
    assert caught.value.status is NrtStatus.EXEC_BAD_INPUT


def test_a_nan_in_one_execution_keeps_the_results_of_all(runtime, model):
    x = samples(9)
    x[1, 0] = np.nan
    with pytest.raises(NrtError) as caught:
        runtime.infer(model, {"x": x})
    assert caught.value.status is NrtStatus.EXEC_COMPLETED_WITH_NUM_ERR
    found = caught.value.result.outputs["y"]
    assert found.shape == (9, 4)
    np.testing.assert_array_equal(found[2:], x[2:] @ WEIGHT)


def test_without_the_option_the_batch_is_fixed(runtime):
    model = runtime.load(encode_neff(compile_model(product(), CompileOptions(batch=4))))
    with pytest.raises(NrtError):
        runtime.infer(model, {"x": samples(5)})


def test_an_output_without_a_batch_is_refused():
    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("ReduceSum", ["p"], ["y"], keepdims=0)]
    with pytest.raises(ModelFileError, match="no output grows with the batch"):
        compile_model(product((), nodes), CompileOptions(batch=4, dynamic_batch=True))
