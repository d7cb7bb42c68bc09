"""A BERT-like encoder with the operators of exporters, compared with onnxruntime."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnxruntime import InferenceSession  # noqa: E402

from runtime_core.compiler import CompileOptions, Fp32Cast  # noqa: E402
from runtime_core.compiler import compile as compile_model  # noqa: E402
from runtime_core.engine.numerics import load_program  # noqa: E402
from runtime_core.neff.graph import NodeKind  # noqa: E402
from runtime_core.neff.reader import read_neff  # noqa: E402
from runtime_core.neff.writer import encode_neff  # noqa: E402

LAYERS, HEADS, WIDTH, LENGTH, WORDS = 4, 4, 64, 24, 100
# A layer has six products with weights and two of activations. Each rounds two inputs.
ROUNDINGS = 2 * 8 * LAYERS


class Writer:
    """Collects operators and seeded weights."""

    def __init__(self):
        self.rng = np.random.default_rng(7)
        self.nodes, self.constants = [], []

    def op(self, operator, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weight(self, *shape):
        return self.constant((self.rng.standard_normal(shape) / shape[0] ** 0.5).astype(np.float32))

    def linear(self, x, width_in, width_out):
        return self.op("Add", self.op("MatMul", x, self.weight(width_in, width_out)), self.weight(width_out))

    def norm(self, x):
        scale, bias = self.constant(np.ones(WIDTH, np.float32)), self.constant(np.zeros(WIDTH, np.float32))
        return self.op("LayerNormalization", x, scale, bias, axis=-1)

    def heads(self, x, like):
        shape = self.op("Shape", like)
        lead = self.op("Slice", shape, self.constant([0]), self.constant([2]))
        target = self.op("Concat", lead, self.constant([HEADS, WIDTH // HEADS]), axis=0)
        return self.op("Transpose", self.op("Reshape", x, target), perm=[0, 2, 1, 3])

    def gelu(self, x):
        erf = self.op("Erf", self.op("Div", x, self.constant(np.float32(2**0.5))))
        return self.op("Mul", self.op("Mul", x, self.op("Add", erf, self.constant(np.float32(1)))),
                       self.constant(np.float32(0.5)))  # fmt: skip

    def layer(self, x, mask):
        query, key, value = (self.heads(self.linear(x, WIDTH, WIDTH), x) for _ in range(3))
        scores = self.op("MatMul", query, self.op("Transpose", key, perm=[0, 1, 3, 2]))
        scores = self.op("Div", scores, self.constant(np.float32((WIDTH // HEADS) ** 0.5)))
        mixed = self.op("MatMul", self.op("Softmax", self.op("Add", scores, mask), axis=-1), value)
        joined = self.op("Reshape", self.op("Transpose", mixed, perm=[0, 2, 1, 3]), self.constant([0, 0, WIDTH]))
        x = self.norm(self.op("Add", x, self.linear(joined, WIDTH, WIDTH)))
        inner = self.gelu(self.linear(x, WIDTH, 4 * WIDTH))
        return self.norm(self.op("Add", x, self.linear(inner, 4 * WIDTH, WIDTH)))


def encoder():
    w = Writer()
    x = w.op("Gather", w.weight(WORDS, WIDTH), "ids")
    x = w.norm(w.op("Add", x, w.weight(LENGTH, WIDTH)))
    keep = w.op("Cast", w.op("Unsqueeze", "mask", w.constant([1, 2])), to=TensorProto.FLOAT)
    mask = w.op("Mul", w.op("Sub", w.constant(np.float32(1)), keep), w.constant(np.finfo(np.float32).min))
    for _ in range(LAYERS):
        x = w.layer(x, mask)
    w.nodes.append(helper.make_node("Tanh", [x], ["out"]))
    graph = helper.make_graph(
        w.nodes,
        "encoder",
        [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", LENGTH]) for n in ("ids", "mask")],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", LENGTH, WIDTH])],
        w.constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(3)
    mask = np.ones((2, LENGTH), np.int64)
    mask[1, 15:] = 0
    feeds = {"ids": rng.integers(0, WORDS, (2, LENGTH)), "mask": mask}
    model = encoder()
    return model, feeds, InferenceSession(model.SerializeToString()).run(None, feeds)[0]


def compiled(model, **options):
    own = onnx.ModelProto()
    own.CopyFrom(model)
    return read_neff(encode_neff(compile_model(own, CompileOptions(batch=2, **options))))


def test_it_is_one_neuron_node_and_exact_without_casts(case):
    model, feeds, expected = case
    neff = compiled(model, fp32_cast=Fp32Cast.NONE)
    assert [n.kind for n in neff.graph.nodes] == [NodeKind.NEURON]
    np.testing.assert_allclose(load_program(neff).run(feeds)["out"], expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("cast", [Fp32Cast.ALL, Fp32Cast.MATMULT])
def test_with_bfloat16_it_stays_within_what_rounding_explains(case, cast):
    """A rounding to 8 bits is off by 2**-9 at most; LayerNormalization keeps values near 1, and errors add up as a
    random walk over the roundings on the way. Ten values in a million may lie beyond four times that."""
    model, feeds, expected = case
    found = load_program(compiled(model, fp32_cast=cast)).run(feeds)["out"]
    error = np.abs(found - expected)
    step = 2**-9 * ROUNDINGS**0.5
    assert np.sqrt(np.mean(error**2)) <= step
    assert np.quantile(error, 1 - 1e-5) <= 4 * step
    assert np.max(error) > 0


def test_a_pipeline_spreads_the_work_and_changes_no_number(case):
    model, feeds, _ = case
    whole, split = compiled(model), compiled(model, pipeline_cores=4)
    assert [n.core for n in split.graph.nodes] == [0, 1, 2, 3]
    assert split.graph.core_count == 4
    assert sum(n.flops for n in split.graph.nodes) == sum(n.flops for n in whole.graph.nodes)
    np.testing.assert_array_equal(*(load_program(n).run(feeds)["out"] for n in (whole, split)))
