"""Recurrent layers with 128 states over increasing numbers of steps, compared with onnxruntime on one thread.

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

from benchmarks.harness import compare, exponent
from benchmarks.networks import best_seconds, compile_model, session
from runtime_core.compiler import CompileOptions, Fp32Cast
from runtime_core.engine.numerics import load_program

_HIDDEN, _WIDTH = 128, 64
_GATES = {"LSTM": 4, "GRU": 3}
_STEPS = (16, 64, 256, 512, 1024)


def _model(operator: str, steps: int) -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    width = _GATES[operator] * _HIDDEN
    shapes = {"w": (1, width, _WIDTH), "r": (1, width, _HIDDEN), "b": (1, 2 * width)}
    weights = [
        numpy_helper.from_array(rng.standard_normal(s, np.float32) * np.float32(0.1), n) for n, s in shapes.items()
    ]
    node = helper.make_node(operator, ["x", *shapes], ["y"], hidden_size=_HIDDEN)
    x = helper.make_tensor_value_info("x", 1, (steps, 1, _WIDTH))
    y = helper.make_tensor_value_info("y", 1, (steps, 1, 1, _HIDDEN))
    graph = helper.make_graph([node], "recurrent", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def measure() -> dict[str, float]:
    """Return ratios of times to onnxruntime's, seconds to compile, and the exponents of both over the steps."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recurrent.onnx"
        for operator in _GATES:
            run_s: dict[float, float] = {}
            compile_s: dict[float, float] = {}
            for steps in _STEPS:
                onnx.save(_model(operator, steps), path)
                options = CompileOptions(fp32_cast=Fp32Cast.NONE)
                compile_model(path, options)
                started = time.process_time()
                neff = compile_model(path, options)
                compile_s[steps] = time.process_time() - started
                program, peer = load_program(neff), session(path)
                feeds = {"x": np.random.default_rng(1).standard_normal((steps, 1, _WIDTH), np.float32)}
                ours, theirs = best_seconds(
                    lambda: program.run(feeds),  # noqa: B023
                    lambda: peer.run(None, feeds),  # noqa: B023
                    runs=30,
                    # Both run in this thread, for longer than it is undisturbed by other work.
                    clock=time.thread_time,
                )
                run_s[steps] = ours
                cores = all(node.kind == "neuron" for node in neff.graph.nodes)
                figures[f"{operator}, {steps} steps, x onnxruntime"] = ours / theirs
                figures[f"{operator}, {steps} steps, on the cores"] = float(cores)
                figures[f"{operator}, {steps} steps, ms to compile"] = compile_s[steps] * 1e3
            figures[f"{operator}, exponent of the time over steps"] = exponent(run_s)
    return figures


def main() -> None:
    """Measure the curves."""
    goals = {f"{operator}, {steps} steps, x onnxruntime": 4.0 for operator in _GATES for steps in _STEPS}
    compare("recurrent", "recurrent", measure(), "", goals)


if __name__ == "__main__":
    main()
