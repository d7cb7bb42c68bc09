"""The networks in the onnx wheel compile, are written and read as NEFFs, and compute the shipped outputs."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import helper, numpy_helper  # noqa: E402
from onnx.backend.test.runner import Runner  # noqa: E402

from runtime_core.compiler import CompileOptions, Fp32Cast  # noqa: E402
from runtime_core.compiler import compile as compile_model  # noqa: E402
from runtime_core.engine.numerics import load_program  # noqa: E402
from runtime_core.neff.graph import NodeKind  # noqa: E402
from runtime_core.neff.reader import read_neff  # noqa: E402
from runtime_core.neff.writer import encode_neff  # noqa: E402

NETWORKS = ["bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet",
            "vgg19", "zfnet512"]  # fmt: skip


def shipped(folder, name):
    """The input that the onnx package generates for the network, and the output that it ships."""
    model = onnx.load(folder / f"light_{name}.onnx")
    known = {i.name for i in model.graph.initializer}
    inputs = {}
    for value in model.graph.input:
        if value.name not in known:
            shape = [d.dim_value for d in value.type.tensor_type.shape.dim]
            info = helper.make_tensor_value_info(value.name, onnx.TensorProto.FLOAT, shape)
            inputs[value.name] = Runner.generate_dummy_data(info, name=name)
    expected = numpy_helper.to_array(onnx.load_tensor(folder / f"light_{name}_output_0.pb"))
    return inputs, expected


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_gives_its_shipped_output(light_networks, name):
    inputs, expected = shipped(light_networks, name)
    neff = compile_model(light_networks / f"light_{name}.onnx", CompileOptions(fp32_cast=Fp32Cast.NONE))
    assert [n.kind for n in neff.graph.nodes] == [NodeKind.NEURON]
    neff = read_neff(encode_neff(neff), validate_hash=True)
    (found,) = load_program(neff).run(inputs).values()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("name", ["densenet121", "resnet50", "shufflenet", "squeezenet"])
@pytest.mark.parametrize("cast", [Fp32Cast.ALL, Fp32Cast.MATMULT])
def test_with_bfloat16_it_stays_within_what_rounding_explains(light_networks, name, cast):
    """bf16 keeps 8 bits: each rounding is off by 2**-9 at most, and errors of many layers add up as a random walk."""
    inputs, expected = shipped(light_networks, name)
    neff = compile_model(light_networks / f"light_{name}.onnx", CompileOptions(fp32_cast=cast))
    layers = sum(i.opcode in ("conv", "gemm") for n in neff.graph.nodes for i in n.instructions)
    (found,) = load_program(neff).run(inputs).values()
    tolerance = 2**-9 * (2 * layers) ** 0.5
    assert np.max(np.abs(found - expected)) <= tolerance * np.max(np.abs(expected))


def test_a_pipeline_over_cores_gives_the_same_numbers(light_networks):
    inputs, _ = shipped(light_networks, "squeezenet")
    whole = compile_model(light_networks / "light_squeezenet.onnx")
    split = compile_model(light_networks / "light_squeezenet.onnx", CompileOptions(pipeline_cores=4))
    assert split.graph.core_count == 4
    assert [n.core for n in split.graph.nodes] == [0, 1, 2, 3]
    (a,), (b,) = (load_program(n).run(inputs).values() for n in (whole, split))
    np.testing.assert_array_equal(a, b)


def test_the_same_input_gives_the_same_bytes(light_networks):
    path = light_networks / "light_shufflenet.onnx"
    assert encode_neff(compile_model(path)) == encode_neff(compile_model(path))
