"""The reference networks have the published sizes, and compute finite values."""

import math

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from neuron_tools.models.catalogue import NETWORKS, ModelOptions, build  # noqa: E402
from runtime_core.compiler import CompileOptions, Fp32Cast, compile_for_timing, read_model  # noqa: E402
from runtime_core.compiler import compile as compile_model  # noqa: E402
from runtime_core.engine.numerics import load_program  # noqa: E402
from runtime_core.errors import UsageError  # noqa: E402
from runtime_core.neff.graph import NodeKind  # noqa: E402

# Parameters that the originals publish; their batch normalisations hold one vector more than what is left when folded.
PARAMETERS = {
    "bert-base": 109_483_778,
    "bert-base-cased": 108_311_810,
    "distilbert": 66_955_010,
    "distilroberta": 82_119_938,
    "resnet50": 25_557_032 - 26_560,
    "openpose": 52_311_446,
}
# Published multiply-adds of one sample, times two.
GFLOP = {"resnet50": 2 * 4.09, "yolov4": 128.5}


def parameter_count(model):
    """Number of elements of weights and biases, without scalars."""
    sizes = (math.prod(t.dims) for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT)
    return sum(size for size in sizes if size > 1)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_network_has_the_parameters_of_the_original(name):
    assert parameter_count(build(name)) == PARAMETERS[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_runs_on_one_core_whole(name):
    graph = compile_for_timing(read_model(build(name))).graph
    (node,) = graph.nodes
    assert node.kind is NodeKind.NEURON
    assert graph.batch == 1
    if name in GFLOP:
        assert sum(i.flops for i in node.instructions if i.engine == "pe") == pytest.approx(1e9 * GFLOP[name], rel=0.01)


def feeds(model, seed=1):
    random = np.random.default_rng(seed)
    for value in model.graph.input:
        shape = [d.dim_value for d in value.type.tensor_type.shape.dim]
        if value.name == "input_ids":
            yield value.name, random.integers(0, 20_000, shape)
        elif value.type.tensor_type.elem_type == onnx.TensorProto.INT64:
            yield value.name, np.ones(shape, np.int64)
        else:
            yield value.name, random.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "options"), [("resnet50", ModelOptions()), ("distilbert", ModelOptions(batch=2, sequence=16))]
)
def test_a_core_computes_what_onnxruntime_computes(name, options):
    onnxruntime = pytest.importorskip("onnxruntime")
    model = build(name, options)
    inputs = dict(feeds(model))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, inputs)
    assert np.std(expected) > 0.01
    ours = load_program(compile_model(model, CompileOptions(fp32_cast=Fp32Cast.NONE))).run(inputs)["logits"]
    np.testing.assert_allclose(ours, expected, rtol=1e-2, atol=1e-3)


def test_a_seed_makes_the_same_weights_again():
    first, again, other = (build("resnet50", ModelOptions(seed=s)).graph.initializer[0].raw_data for s in (3, 3, 4))
    assert first == again != other


def test_a_network_of_half_precision_keeps_half_precision():
    model = build("resnet50", ModelOptions(batch=2, dtype="float16"))
    graph = compile_model(model).graph
    assert [t.dtype for t in (*graph.inputs, *graph.outputs)] == ["float16", "float16"]
    assert {b.dtype for b in graph.nodes[0].buffers} == {"float16"}


def test_another_batch_than_the_built_one_can_be_compiled():
    model = build("distilbert", ModelOptions(sequence=16))
    graph = compile_model(model, CompileOptions(batch=3)).graph
    assert (graph.batch, graph.outputs[0].shape) == (3, (3, 2))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("bert-huge", ModelOptions()),
        ("bert-base", ModelOptions(batch=0)),
        ("bert-base", ModelOptions(sequence=513)),
        ("resnet50", ModelOptions(seed=-1)),
    ],
)
def test_what_makes_no_sense_is_refused(name, options):
    with pytest.raises(UsageError):
        build(name, options)


def test_the_command_writes_a_model_that_the_compiler_takes(command, tmp_path):
    target = tmp_path / "r.onnx"
    done = command("neuron_tools.models", "resnet50", "--batch", "2", "-o", target)
    assert (done.returncode, done.stderr) == (0, "")
    assert "batch 2" in done.stdout
    assert compile_model(target).graph.batch == 2
    refused = command("neuron_tools.models", "resnet51", "-o", tmp_path / "x.onnx")
    assert refused.returncode == 2
    assert "bert-base" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert [p.name for p in tmp_path.glob("*.onnx")] == ["r.onnx"]
