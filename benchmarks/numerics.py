"""Compiling and really executing the light networks, beside onnxruntime on one thread and the onnx reference."""

from __future__ import annotations

import os

# Before NumPy loads: every side gets one thread.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

from benchmarks.harness import Figure, report
from runtime_core.compiler import CompileOptions, Fp32Cast, compile_model
from runtime_core.engine.numerics import load_program
from runtime_core.neff.writer import encode_neff

_NETWORKS = ("densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet", "bvlc_alexnet")
_WITH_REFERENCE = ("resnet50", "squeezenet", "shufflenet")


def _seconds(call: Callable[[], object], runs: int = 5) -> float:
    call()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _geometric_mean(values: list[float]) -> float:
    return math.exp(statistics.fmean(math.log(v) for v in values))


def main() -> None:
    """Measure each network on both sides, and take the geometric mean of the ratios."""
    folder = Path(onnx.__file__).parent / "backend/test/data/light"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    figures: list[Figure] = []
    compile_ratios, run_ratios, reference_ratios = [], [], []
    for name in _NETWORKS:
        path = folder / f"light_{name}.onnx"
        ours = _seconds(lambda path=path: encode_neff(compile_model(path)), 3)
        theirs = _seconds(
            lambda path=path: onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]), 3
        )
        compile_ratios.append(ours / theirs)
        program = load_program(compile_model(path, CompileOptions(fp32_cast=Fp32Cast.NONE)))
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        feeds = {i.name: np.random.default_rng(0).random(i.shape, np.float32) for i in session.get_inputs()}
        run, peer = _seconds(lambda: program.run(feeds)), _seconds(lambda: session.run(None, feeds))  # noqa: B023
        run_ratios.append(run / peer)
        note = f"onnxruntime {peer * 1e3:.1f} ms; compile {ours * 1e3:.0f} ms, its session {theirs * 1e3:.0f} ms"
        figures.append(Figure(f"{name}: execution", run * 1e3, "ms", note=note))
        if name in _WITH_REFERENCE:
            evaluator = ReferenceEvaluator(onnx.load(path))
            reference = _seconds(lambda: evaluator.run(None, feeds), 1)  # noqa: B023
            reference_ratios.append(reference / run)
    figures.append(Figure("execution as a ratio to onnxruntime, geometric mean", _geometric_mean(run_ratios), "x", 3.0))
    figures.append(
        Figure(
            "times faster than onnx.reference",
            _geometric_mean(reference_ratios),
            "x",
            5.0,
            at_most=False,
            note=f"geometric mean over {', '.join(_WITH_REFERENCE)}",
        )
    )
    figures.append(
        Figure("resnet50: compile as a ratio to a session", compile_ratios[_NETWORKS.index("resnet50")], "x", 3.0)
    )
    report("numerics", figures)
