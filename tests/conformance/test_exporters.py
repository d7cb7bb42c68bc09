"""Models by common exporters and quantisers, compared with ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from runtime_core.compiler import compile_with_report  # noqa: E402
from runtime_core.compiler.onnx_backend import NeuronBackend  # noqa: E402
from runtime_core.errors import ModelFileError  # noqa: E402
from runtime_core.neff.graph import NodeKind  # noqa: E402


def by_runtime(model, feeds):
    """Outputs of ONNX Runtime, which users of exporters see."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def convolutional():
    """A small image classifier with the operators that quantisers replace."""
    random = np.random.default_rng(0)

    def weights(name, *shape):
        return numpy_helper.from_array((random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype("f"), name)

    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "w2"], ["c2"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["c2", "p1"], ["s"]),
        helper.make_node("GlobalAveragePool", ["s"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], transB=1),
    ]
    # Rows with a mean of 0: all features are positive, and their common part would dominate the result.
    last = np.random.default_rng(11).standard_normal((5, 8))
    last = (last - last.mean(1, keepdims=True)).astype("f")
    constants = [
        weights("w1", 8, 3, 3, 3), weights("b1", 8), weights("w2", 8, 8, 3, 3), numpy_helper.from_array(last, "w3"),
        numpy_helper.from_array(np.zeros(5, "f"), "b3"),
    ]  # fmt: skip
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5]),
    ]
    graph = helper.make_graph(nodes, "classifier", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


class Samples:
    """Images with random tints, as calibration data and as inputs with different classes."""

    def __init__(self, name, shape, count=8, seed=1):
        random = np.random.default_rng(seed)
        tints = random.standard_normal((count, 1, shape[1], 1, 1)) * 2
        self.left = [{name: (random.standard_normal(shape) + tint).astype(np.float32)} for tint in tints]

    def get_next(self):
        return self.left.pop() if self.left else None


STEP = 0.2
"""About two steps of the last quantisation, of results up to 11: ONNX Runtime fuses some of the scales."""
QUANTISED = {
    "QDQ": {},
    "QDQ per channel": {"per_channel": True},
    "QDQ signed activations": {"activation_type": "QInt8"},
    "QOperator": {"quant_format": "QOperator"},
    "QOperator per channel": {"quant_format": "QOperator", "per_channel": True},
}


@pytest.mark.parametrize("name", QUANTISED)
def test_a_statically_quantised_network_is_that_of_onnx_runtime(name, tmp_path):
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    options = dict(QUANTISED[name])
    if "quant_format" in options:
        options["quant_format"] = QuantFormat[options["quant_format"]]
    if "activation_type" in options:
        options["activation_type"] = QuantType[options["activation_type"]]
    source, target = tmp_path / "float.onnx", tmp_path / "quantised.onnx"
    onnx.save(convolutional(), source)
    quantize_static(source, target, Samples("x", (1, 3, 8, 8)), **options)
    model = onnx.load(target)
    rep = NeuronBackend.prepare(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    best = set()
    for x in Samples("x", (1, 3, 8, 8), 25, seed=2).left:
        (want,), (got,) = session.run(None, x), rep.run([x["x"]])
        np.testing.assert_allclose(got, want, atol=STEP)
        assert want[0, got.argmax()] >= want.max() - STEP
        best.add(int(want.argmax()))
    assert len(best) >= 3, "the network answers alike whatever it sees"
    products = [i for n in rep.neff.graph.nodes for i in n.instructions if i.engine == "pe"]
    assert len(products) >= 2


def test_a_dynamically_quantised_network_is_that_of_onnx_runtime(tmp_path):
    from onnxruntime.quantization import quantize_dynamic

    source, target = tmp_path / "float.onnx", tmp_path / "quantised.onnx"
    onnx.save(convolutional(), source)
    quantize_dynamic(source, target)
    model = onnx.load(target)
    x = np.random.default_rng(2).random((1, 3, 8, 8), np.float32)
    (want,), (got,) = by_runtime(model, {"x": x}), NeuronBackend.prepare(model).run([x])
    np.testing.assert_allclose(got, want, atol=STEP)


def classifiers():
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
        "forest": RandomForestClassifier(n_estimators=5, max_depth=3, random_state=0),
        "support vectors": make_pipeline(StandardScaler(), SVC(probability=True, random_state=0)),
    }


@pytest.mark.parametrize("name", ["logistic", "forest"])
def test_a_scikit_learn_classifier_gives_its_labels_and_a_tensor_of_probabilities(name):
    pytest.importorskip("sklearn")
    skl2onnx = pytest.importorskip("skl2onnx")
    random = np.random.default_rng(0)
    x = random.standard_normal((60, 4)).astype(np.float32)
    labels = (x[:, 0] + x[:, 1] > 0).astype(np.int64) + (x[:, 2] > 1)
    fitted = classifiers()[name].fit(x, labels)
    model = skl2onnx.to_onnx(fitted, x[:1])
    compiled = compile_with_report(onnx.ModelProto.FromString(model.SerializeToString()))
    assert any("is a map in the model" in note for note in compiled.report.notes)
    # The batch is open, so the model is compiled for the number of samples that it gets.
    label, probability = NeuronBackend.prepare(model).run([x[:7]])
    assert label.tolist() == fitted.predict(x[:7]).tolist()
    np.testing.assert_allclose(probability, fitted.predict_proba(x[:7]), atol=1e-4)


def test_labels_that_are_text_are_refused_by_name():
    pytest.importorskip("sklearn")
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.linear_model import LogisticRegression

    x = np.random.default_rng(0).standard_normal((20, 2)).astype(np.float32)
    fitted = LogisticRegression().fit(x, np.where(x[:, 0] > 0, "yes", "no"))
    with pytest.raises(ModelFileError, match=r"output 'output_label' is text.*integer labels"):
        NeuronBackend.prepare(skl2onnx.to_onnx(fitted, x[:1]))


def test_a_scikit_learn_regression_pipeline():
    pytest.importorskip("sklearn")
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    x = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    fitted = make_pipeline(MinMaxScaler(), GradientBoostingRegressor(n_estimators=5)).fit(x, x.sum(axis=1))
    (got,) = NeuronBackend.prepare(skl2onnx.to_onnx(fitted, x[:1])).run([x[:5]])
    np.testing.assert_allclose(got.reshape(-1), fitted.predict(x[:5]), rtol=1e-3, atol=1e-4)


def test_functions_of_onnxscript_keep_their_attributes():
    pytest.importorskip("onnxscript")
    from tests.conformance.scripted import nested

    model = nested.to_model_proto()
    x = np.array([[-2.0, 3.0, 0.5, -0.25]], np.float32)
    for value in (*model.graph.input, *model.graph.output):
        value.type.CopyFrom(helper.make_tensor_type_proto(TensorProto.FLOAT, x.shape))
    rep = NeuronBackend.prepare(model)
    np.testing.assert_allclose(rep.run([x])[0], by_runtime(model, {model.graph.input[0].name: x})[0], rtol=1e-5)
    assert all(node.kind is NodeKind.NEURON for node in rep.neff.graph.nodes)


def exported(module, arguments, dynamo):
    """Export with PyTorch: with the newer exporter (``dynamo``) or with TorchScript."""
    import io

    import torch

    target = io.BytesIO()
    if dynamo:
        program = torch.onnx.export(module.eval(), arguments, dynamo=True, optimize=False)
        return program.model_proto
    torch.onnx.export(module.eval(), arguments, target, dynamo=False)
    return onnx.ModelProto.FromString(target.getvalue())


def modules():
    import torch
    from torch import nn

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(4, 6, batch_first=True, bidirectional=True)

        def forward(self, x):
            return self.lstm(x)[0]

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
            self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)

        def forward(self, x, mask):
            # Set explicitly, because the newer exporter cannot trace the check whether the mask is causal.
            return self.encoder(x, mask=mask, is_causal=False)

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
            self.second = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8))
            self.head = nn.Linear(8, 5)

        def forward(self, x):
            x = self.first(x)
            x = torch.relu(x + self.second(x))
            return self.head(torch.nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))

    torch.manual_seed(0)
    mask = torch.full((5, 5), float("-inf")).triu(1)
    return {
        "residual": (Residual(), (torch.randn(1, 3, 8, 8),)),
        "lstm": (Recurrent(), (torch.randn(2, 5, 4),)),
        "encoder": (Encoder(), (torch.randn(1, 5, 8), mask)),
    }


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
@pytest.mark.parametrize("name", ["residual", "lstm", "encoder"])
def test_what_pytorch_exports_computes_what_pytorch_does(name, dynamo):
    torch = pytest.importorskip("torch", reason="PyTorch downloads gigabytes: pip install 'neuron-tools-sim[torch]'")
    module, arguments = modules()[name]
    model = exported(module, arguments, dynamo)
    got = NeuronBackend.prepare(model).run([a.numpy() for a in arguments])
    with torch.no_grad():
        want = module(*arguments).numpy()
    np.testing.assert_allclose(got[0], want, rtol=1e-3, atol=1e-4)


def suppressed(corners, scores):
    """Indices of the boxes that NonMaxSuppression keeps, in PyTorch: the best first."""
    import torch

    left, kept = scores.argsort(descending=True), []
    areas = (corners[:, 2:] - corners[:, :2]).prod(1)
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        low, high = (
            torch.maximum(corners[best, :2], corners[left, :2]),
            torch.minimum(corners[best, 2:], corners[left, 2:]),
        )
        shared = (high - low).clamp(min=0).prod(1)
        left = left[shared / (areas[best] + areas[left] - shared) <= 0.4]
    return torch.stack(kept)


def test_the_post_processing_of_a_detector_keeps_the_boxes_that_pytorch_does():
    torch = pytest.importorskip("torch", reason="PyTorch downloads gigabytes: pip install 'neuron-tools-sim[torch]'")

    class Suppression(torch.autograd.Function):
        @staticmethod
        def forward(_context, corners, scores):
            return suppressed(corners, scores)

        @staticmethod
        def symbolic(g, corners, scores):
            def constant(value, dtype):
                return g.op("Constant", value_t=torch.tensor([value], dtype=dtype))

            batch, channel = constant(0, torch.int64), constant(1, torch.int64)
            found = g.op(
                "NonMaxSuppression",
                g.op("Unsqueeze", corners, batch),
                g.op("Unsqueeze", g.op("Unsqueeze", scores, batch), batch),
                constant(40, torch.int64),
                constant(0.4, torch.float32),
            )
            return g.op("Squeeze", g.op("Gather", found, constant(2, torch.int64), axis_i=1), channel)

    class PostProcessing(torch.nn.Module):
        def forward(self, centres, logits):
            corners = torch.cat([centres[:, :2] - centres[:, 2:] / 2, centres[:, :2] + centres[:, 2:] / 2], 1)
            scores = logits.sigmoid()
            kept = Suppression.apply(corners, scores)
            return corners[kept], scores[kept]

    torch.manual_seed(1)
    arguments = (torch.rand(40, 4) * torch.tensor([10.0, 10.0, 4.0, 4.0]) + 1, torch.randn(40))
    module = PostProcessing()
    want = module(*arguments)
    got = NeuronBackend.prepare(exported(module, arguments, dynamo=False)).run([a.numpy() for a in arguments])
    assert 1 < len(want[0]) < 40
    for ours, theirs in zip(got, want, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-5)
