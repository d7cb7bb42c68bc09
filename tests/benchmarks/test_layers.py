"""The comparison of a quantised network layer by layer, on a small network."""

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantFormat, quantize_static

from benchmarks.layers import by_layer
from runtime_core.engine.numerics import quantised

SHAPE = (1, 3, 16, 16)


def image(seed):
    return np.random.default_rng(seed).standard_normal(SHAPE).astype(np.float32)


class Samples:
    """Calibration data."""

    def __init__(self):
        self.left = iter([{"x": image(seed)} for seed in range(4)])

    def get_next(self):
        return next(self.left, None)


@pytest.fixture(params=list(QuantFormat), ids=lambda kind: kind.name)
def network(request, tmp_path):
    random = np.random.default_rng(0)
    held = {
        "a": random.standard_normal((8, 3, 3, 3)) / 5,
        "b": random.standard_normal((8, 8, 1, 1)) / 3,
        **{name: random.uniform(0.5, 1.5, 8) for name in ("scale", "shift", "mean", "variance")},
        "w": random.standard_normal((5, 8)) / 3,
        "v": random.standard_normal(5),
    }
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in held.items()]
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "scale", "shift", "mean", "variance"], ["n"]),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["m", "b"], ["d"]),
        helper.make_node("Sum", ["m", "d"], ["s"]),
        helper.make_node("AveragePool", ["s"], ["p"], kernel_shape=[8, 8]),
        helper.make_node("Reshape", ["p", "flat"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "v"], ["g"], transB=1),
        helper.make_node("Softmax", ["g"], ["y"]),
    ]
    constants.append(numpy_helper.from_array(np.array([1, -1]), "flat"))
    ends = [helper.make_tensor_value_info(n, 1, s) for n, s in (("x", SHAPE), ("y", (1, 5)))]
    graph = helper.make_graph(nodes, "small", ends[:1], ends[1:], constants)
    source, target = tmp_path / "small.onnx", tmp_path / "quantised.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), source)
    quantize_static(source, target, Samples(), quant_format=request.param)
    return target


def test_layers_differ_by_one_step_at_most(network):
    for found in by_layer(network, image(9)).values():
        assert found.most_steps <= 1
        assert found.per_million < 1000


def test_a_rounding_fault_is_found(network, monkeypatch):
    right = quantised._saturated
    monkeypatch.setattr(quantised, "_saturated", lambda value, zero, dtype: right(np.floor(value), zero, dtype))
    found = by_layer(network, image(9))
    assert found["the compiler", "exact arithmetic"].per_million > 100_000
    assert found["ONNX Runtime", "exact arithmetic"].per_million < 1000
