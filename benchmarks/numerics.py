"""Executing the light networks with numerics, compared with onnxruntime on one thread and the onnx reference."""

from __future__ import annotations

import time

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from benchmarks.harness import Figure, report
from benchmarks.networks import NETWORKS, best_seconds, geometric_mean, path_of, session
from runtime_core.compiler import CompileOptions, Fp32Cast
from runtime_core.compiler import compile as compile_model
from runtime_core.engine.numerics import load_program


def main() -> None:
    """Measure each network on all sides, and report the geometric means of the ratios."""
    figures: list[Figure] = []
    exact, rounded, reference = [], [], []
    for name in NETWORKS:
        path = path_of(name)
        plain, narrow = (
            load_program(compile_model(path, CompileOptions(fp32_cast=cast))) for cast in (Fp32Cast.NONE, Fp32Cast.ALL)
        )
        peer = session(path)
        feeds = {i.name: np.random.default_rng(0).random(i.shape, np.float32) for i in peer.get_inputs()}
        none_s, all_s, peer_s = best_seconds(
            lambda: plain.run(feeds),  # noqa: B023
            lambda: narrow.run(feeds),  # noqa: B023
            lambda: peer.run(None, feeds),  # noqa: B023
        )
        evaluator = ReferenceEvaluator(onnx.load(path))
        started = time.perf_counter()
        evaluator.run(None, feeds)
        reference_s = time.perf_counter() - started
        exact.append(none_s / peer_s)
        rounded.append(all_s / peer_s)
        reference.append(reference_s / none_s)
        note = (
            f"{none_s * 1e3:.1f} ms, bfloat16 {all_s / peer_s:.2f} x; onnxruntime {peer_s * 1e3:.1f} ms, "
            f"onnx.reference {reference_s * 1e3:.0f} ms"
        )
        figures.append(Figure(f"{name}: execution / onnxruntime", none_s / peer_s, "x", note=note))
    mean = "nine light networks, geometric mean"
    figures.append(Figure("execution / onnxruntime, FP32", geometric_mean(exact), "x", 3.0, note=mean))
    figures.append(Figure("execution / onnxruntime, cast to bfloat16", geometric_mean(rounded), "x", 3.0, note=mean))
    figures.append(
        Figure("times faster than onnx.reference", geometric_mean(reference), "x", 5.0, at_most=False, note=mean)
    )
    report("numerics", figures)
