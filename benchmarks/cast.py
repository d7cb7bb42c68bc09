"""The share of rounding to bfloat16 in an execution of MobileNet's blocks, and of pointwise convolutions alone.

If ``NEURON_BENCH_BEFORE`` is the Python of a virtual environment with an older version, its figures are shown too.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

# One thread, as for onnxruntime. NumPy reads this when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import onnx
from onnx import helper, numpy_helper

from benchmarks.harness import compare
from benchmarks.networks import best_seconds, compile_model, session
from runtime_core.compiler import CompileOptions, Fp32Cast
from runtime_core.engine.numerics import load_program

_POINTWISE = ((32, 16, 112), (24, 144, 56), (64, 64, 56), (128, 128, 28), (256, 256, 14), (512, 512, 7))
_BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""MobileNet v2: expansion, output channels, repetitions, stride of the first block."""


class _Network:
    """A chain of convolutions under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants = [numpy_helper.from_array(np.array(v, np.float32), n) for v, n in ((0, "low"), (6, "high"))]
        self._rng = np.random.default_rng(0)

    def convolution(self, x: str, taken: int, given: int, kernel: int, stride: int = 1, group: int = 1) -> str:
        """Returns the name of the output."""
        name = f"v{len(self.nodes)}"
        weight = self._rng.standard_normal((given, taken // group, kernel, kernel), np.float32)
        weight /= np.sqrt(np.float32(weight[0].size))
        self.constants += [numpy_helper.from_array(weight, f"{name}.w")]
        self.constants += [numpy_helper.from_array(np.zeros(given, np.float32), f"{name}.b")]
        inputs, pads = [x, f"{name}.w", f"{name}.b"], [kernel // 2] * 4
        self.nodes.append(helper.make_node("Conv", inputs, [name], strides=[stride] * 2, pads=pads, group=group))
        return name

    def clipped(self, x: str) -> str:
        self.nodes.append(helper.make_node("Clip", [x, "low", "high"], [f"{x}.6"]))
        return f"{x}.6"

    def model(self, shape: tuple[int, ...], output: str) -> onnx.ModelProto:
        x, y = (helper.make_tensor_value_info(n, 1, s) for n, s in (("x", shape), (output, None)))
        graph = helper.make_graph(self.nodes, "network", [x], [y], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _pointwise(taken: int, given: int, size: int) -> onnx.ModelProto:
    network = _Network()
    return network.model((1, taken, size, size), network.convolution("x", taken, given, 1))


def _mobilenet() -> onnx.ModelProto:
    network = _Network()
    x, channels = network.clipped(network.convolution("x", 3, 32, 3, 2)), 32
    for expansion, given, repetitions, first_stride in _BLOCKS:
        for number in range(repetitions):
            stride, inner, y = 1 if number else first_stride, channels * expansion, x
            if expansion > 1:
                y = network.clipped(network.convolution(y, channels, inner, 1))
            y = network.clipped(network.convolution(y, inner, inner, 3, stride, inner))
            y = network.convolution(y, inner, given, 1)
            if stride == 1 and channels == given:
                network.nodes.append(helper.make_node("Add", [x, y], [f"{y}.sum"]))
                y = f"{y}.sum"
            x, channels = y, given
    return network.model((1, 3, 224, 224), network.clipped(network.convolution(x, channels, 1280, 1)))


def measure() -> dict[str, float]:
    """The time of each execution that is saved without rounding, and the ratio of its time to onnxruntime's."""
    models = {
        "MobileNet v2": _mobilenet(),
        **{f"1x1, {a} to {b} at {n}x{n}": _pointwise(a, b, n) for a, b, n in _POINTWISE},
    }
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        for name, model in models.items():
            onnx.save(model, path)
            rounded, plain = (
                load_program(compile_model(path, CompileOptions(fp32_cast=cast)))
                for cast in (Fp32Cast.MATMULT, Fp32Cast.NONE)
            )
            peer = session(path)
            shape = tuple(d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim)
            feeds = {"x": np.random.default_rng(1).standard_normal(shape, np.float32)}
            rounded_s, plain_s, peer_s = best_seconds(
                lambda: rounded.run(feeds),  # noqa: B023
                lambda: plain.run(feeds),  # noqa: B023
                lambda: peer.run(None, feeds),  # noqa: B023
                runs=25,
                clock=time.thread_time,
            )
            figures[f"{name}: part of the cast"] = 1 - plain_s / rounded_s
            figures[f"{name}: x onnxruntime"] = rounded_s / peer_s
    return figures


def main() -> None:
    """Measure the shares."""
    now = measure()
    compare("cast", "cast", now, "", {name: 0.1 for name in now if name.endswith("cast")})


if __name__ == "__main__":
    main()
