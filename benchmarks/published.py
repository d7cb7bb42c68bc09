"""The model's predictions for AWS's published Inf1 results, with the load of those measurements."""

from __future__ import annotations

import functools
import statistics
from typing import NamedTuple

from benchmarks.harness import Figure, report
from neuron_tools.bench.result import Result, result_of
from neuron_tools.bench.setups import ClockKind, Setup
from neuron_tools.bench.virtual_run import run_virtual
from neuron_tools.models.catalogue import ModelOptions, build
from runtime_core.compiler import CompileOptions
from runtime_core.compiler import compile as compile_model
from runtime_core.neff.graph import Graph
from runtime_core.neff.model import Neff


class Published(NamedTuple):
    """One row of the published tables.

    Attributes:
        name: short, for reports.
        network: of ``neuron_tools.models``.
        family: rows of one network, which are left out of a fit together.
        dtype: of its inputs and weights.
        setup: how it was driven.
        throughput: samples per second.
        p50_ms: median latency of a client's request; ``None``: not published.
        p99_ms: its 99th percentile.
    """

    name: str
    network: str
    family: str
    dtype: str
    setup: Setup
    throughput: float
    p50_ms: float | None
    p99_ms: float | None


_X, _6X = "inf1.xlarge", "inf1.6xlarge"
ROWS = (
    Published("BERT base cased, batch 1", "bert-base-cased", "BERT", "float32",
              Setup(_X, 1, 1, 1, models=1, workers=1), 125.7, 7.9, 8.0),
    Published("BERT base, batch 6, 4 x 2", "bert-base", "BERT", "float32",
              Setup(_X, 6, 1, 4, models=4, workers=2), 1180.7, 40.6, 45.0),
    Published("DistilBERT, batch 9, 4 x 2", "distilbert", "DistilBERT", "float32",
              Setup(_X, 9, 1, 4, models=4, workers=2), 2080.0, 34.6, 36.0),
    Published("ResNet-50, one call of 20", "resnet50", "ResNet-50", "float32",
              Setup(_X, 5, 1, 4, 4, 1, client_batch=20, data_parallel=True), 921.5, 21.6, 22.9),
    Published("ResNet-50, four calls of 20", "resnet50", "ResNet-50", "float32",
              Setup(_X, 5, 1, 4, 4, 4, client_batch=20, data_parallel=True), 1212.0, 66.0, 70.0),
    Published("ResNet-50 FP16, 4 clients of 10", "resnet50", "ResNet-50", "float16",
              Setup(_X, 5, 1, 4, 4, 1, client_batch=10), 2207.0, 17.8, 22.7),
    Published("ResNet-50 FP16, pipelines of 2, 16 clients of 10", "resnet50", "ResNet-50", "float16",
              Setup(_6X, 5, 2, 16, 8, 2, client_batch=10), 10680.0, None, None),
    Published("OpenPose, batch 1, 4 x 1", "openpose", "OpenPose", "float16",
              Setup(_X, 1, 1, 4, models=4, workers=1), 57.5, 60.3, 67.4),
)  # fmt: skip
"""The rows of contracts/hardware.md (AWS's Inf1 benchmark pages)."""


@functools.cache
def graph_of(row: Published) -> Graph:
    """Return the row's network, compiled with the compiler's defaults."""
    model = build(row.network, ModelOptions(batch=row.setup.batch, dtype=row.dtype))
    return compile_model(model, CompileOptions(pipeline_cores=row.setup.pipeline)).graph


def simulated(row: Published, *, jitter: bool = True) -> Result:
    """Simulate the row under the virtual clock."""
    seen = run_virtual(row.setup, Neff(graph_of(row), uuid="0" * 32), seconds=None, jitter=jitter)
    return result_of(row.setup, ClockKind.VIRTUAL, None, seen)


def error_percent(predicted: float | None, published: float | None) -> float | None:
    """Return the error of a prediction in per cent; ``None`` without a published value."""
    return None if predicted is None or published is None else 100 * (predicted / published - 1)


def main() -> None:
    """Run every row under the virtual clock."""
    figures = []
    errors: dict[str, list[float]] = {"throughput": [], "p50": [], "p99": []}
    for row in ROWS:
        result = simulated(row)
        for what, predicted, published, unit in (
            ("throughput", result.throughput_per_second, row.throughput, "/s"),
            ("p50", result.p50_ms, row.p50_ms, "ms"),
            ("p99", result.p99_ms, row.p99_ms, "ms"),
        ):
            error = error_percent(predicted, published)
            if error is not None:
                errors[what].append(abs(error))
                note = f"{predicted:.1f} {unit}, published {published:g} ({error:+.1f} %)"
                figures.append(Figure(f"{row.name}: error of {what}", abs(error), "%", 30.0, note=note))
    mean = statistics.fmean([*errors["throughput"], *errors["p50"]])
    figures.append(Figure("mean absolute error of throughput and p50", mean, "%", 12.0))
    figures.append(Figure("mean absolute error of p99", statistics.fmean(errors["p99"]), "%", 15.0))
    report("published", figures)
