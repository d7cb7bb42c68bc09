"""Single operators on one core, without casts, compared with onnxruntime on one thread in the same run.

If ``NEURON_BENCH_BEFORE`` is the Python of a virtual environment with an older version, its figures are shown too.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from benchmarks.harness import compare, exponent
from benchmarks.networks import best_seconds, compile_model, session
from runtime_core.compiler import CompileOptions, Fp32Cast
from runtime_core.engine.numerics import load_program

GOALS = {
    "Gelu": 8.0,
    "Erf": 8.0,
    "Softmax": 3.0,
    "LayerNormalization": 3.0,
    "MaxPool 3x3/2": 3.0,
    "MaxPool 3x3": 3.0,
    "Sigmoid": 3.0,
    "depthwise 3x3": 4.0,
    "depthwise 5x5": 4.0,
    "depthwise 7x7": 4.0,
    "depthwise 7x7, 14x14": 4.0,
}
_CURVE = (4, 16, 64, 256, 1024)
_HEADS = (1, 3, 12, 48)
_SIZES = (7, 14, 28, 112)
_RNG = np.random.default_rng(0)


def _model(operator: str, shape: Sequence[int], *weights: tuple[int, ...], **attributes: object) -> onnx.ModelProto:
    names = ["x", *(f"w{i}" for i in range(len(weights)))]
    constants = [
        numpy_helper.from_array(_RNG.standard_normal(s, np.float32), n) for s, n in zip(weights, names[1:], strict=True)
    ]
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["y"], **attributes)],  # type: ignore[arg-type]
        "kernel",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info("y", 1, None)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return onnx.shape_inference.infer_shapes(model)


def _depthwise(channels: int, size: int, kernel: int) -> onnx.ModelProto:
    return _model(
        "Conv",
        (1, channels, size, size),
        (channels, 1, kernel, kernel),
        group=channels,
        pads=[kernel // 2] * 4,
    )


def _models() -> Iterator[tuple[str, onnx.ModelProto]]:
    yield "Gelu", _model("Gelu", (1, 128, 3072))
    yield "Erf", _model("Erf", (1, 128, 3072))
    yield "Sigmoid", _model("Sigmoid", (1, 128, 3072))
    yield "Softmax", _model("Softmax", (12, 128, 128))
    yield "LayerNormalization", _model("LayerNormalization", (1, 128, 768), (768,), (768,))
    yield "MaxPool 3x3/2", _model("MaxPool", (1, 64, 112, 112), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    yield "MaxPool 3x3", _model("MaxPool", (1, 192, 28, 28), kernel_shape=[3, 3], pads=[1] * 4)
    yield from ((f"depthwise {k}x{k}", _depthwise(96, 56, k)) for k in (3, 5, 7))
    yield "depthwise 7x7, 14x14", _depthwise(384, 14, 7)
    for rows in _CURVE:
        yield f"Gelu, {rows} x 1024", _model("Gelu", (rows, 1024))
    for heads in _HEADS:
        yield f"Softmax, {heads} x 197 x 197", _model("Softmax", (heads, 197, 197))
    for size in _SIZES:
        yield f"depthwise 3x3, {size}x{size}", _depthwise(96, size, 3)


def measure() -> dict[str, float]:
    """Operator -> ratio of its time to onnxruntime's; and the exponents of the curves."""
    ratios: dict[str, float] = {}
    curve: dict[float, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, model in _models():
            path = Path(folder) / "kernel.onnx"
            onnx.save(model, path)
            program = load_program(compile_model(path, CompileOptions(fp32_cast=Fp32Cast.NONE)))
            peer = session(path)
            feeds = {i.name: _RNG.standard_normal(i.shape, np.float32) for i in peer.get_inputs()}
            ours_s, peer_s = best_seconds(
                lambda: program.run(feeds),  # noqa: B023
                lambda: peer.run(None, feeds),  # noqa: B023
                runs=25,
                # Both run in this thread.
                clock=time.thread_time,
            )
            ratios[name] = ours_s / peer_s
            if name.startswith("Gelu,"):
                curve[int(name.split()[1])] = ours_s
    ratios["Gelu, exponent over elements"] = exponent(curve)
    return ratios


def main() -> None:
    """Measure each operator on both sides."""
    compare("kernels", "kernels", measure(), "x", GOALS)


if __name__ == "__main__":
    main()
