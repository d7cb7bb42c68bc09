"""The networks in the onnx wheel, and the measurement of two sides with them."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import onnx
import onnxruntime

import runtime_core.compiler
from runtime_core.neff.model import Neff

FOLDER = Path(onnx.__file__).parent / "backend/test/data/light"
NETWORKS = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)


# An older version has another name.
_NAME = "compile" if hasattr(runtime_core.compiler, "compile") else "compile_model"
compile_model: Callable[..., Neff] = getattr(runtime_core.compiler, _NAME)


def path_of(name: str) -> Path:
    """Return the network's file."""
    return FOLDER / f"light_{name}.onnx"


def session(path: Path) -> onnxruntime.InferenceSession:
    """Load the network in onnxruntime, with one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def best_seconds(
    *calls: Callable[[], object], runs: int = 5, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Return the minimum time of each call, measured in turns, so that load of the machine affects all equally."""
    for call in calls:
        call()
    best = [math.inf] * len(calls)
    for _ in range(runs):
        for index, call in enumerate(calls):
            started = clock()
            call()
            best[index] = min(best[index], clock() - started)
    return best


def geometric_mean(values: Iterable[float]) -> float:
    """Return the geometric mean of ratios."""
    return math.exp(statistics.fmean(math.log(v) for v in values))
