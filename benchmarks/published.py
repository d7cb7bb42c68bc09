"""What the model predicts for AWS's published Inf1 results, run as ``neuron-bench`` runs a model."""

from __future__ import annotations

import statistics
from typing import NamedTuple

from benchmarks.harness import Figure, report
from neuron_tools.bench.result import result_of
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
        network: of ``neuron_tools.models``.
        setup: how it ran; each copy of the model has its own core.
        throughput: samples a second.
        p50_ms: median latency of an execution.
    """

    network: str
    setup: Setup
    throughput: float
    p50_ms: float

    @property
    def name(self) -> str:
        """Short, for reports."""
        return f"{self.network}, batch {self.setup.batch}, {self.setup.models} x {self.setup.workers}"


ROWS = (
    Published("bert-base-cased", Setup("inf1.xlarge", 1, 1, 1, models=1, workers=1), 125.7, 7.9),
    Published("bert-base", Setup("inf1.xlarge", 6, 1, 4, models=4, workers=2), 1180.7, 40.6),
    Published("resnet50", Setup("inf1.xlarge", 5, 1, 4, models=4, workers=1), 921.5, 21.6),
)
"""The rows of contracts/hardware.md (AWS's Inf1 benchmark pages)."""


def graph_of(row: Published) -> Graph:
    """The row's network, compiled with the compiler's own defaults."""
    model = build(row.network, ModelOptions(batch=row.setup.batch))
    return compile_model(model, CompileOptions(pipeline_cores=row.setup.pipeline)).graph


def main() -> None:
    """Run every row under the virtual clock."""
    figures, errors = [], []
    for row in ROWS:
        seen = run_virtual(row.setup, Neff(graph_of(row), uuid="0" * 32), seconds=None)
        result = result_of(row.setup, ClockKind.VIRTUAL, None, seen)
        pairs = (
            ("throughput", result.throughput_per_second, row.throughput, "/s"),
            ("p50", result.p50_ms or float("nan"), row.p50_ms, "ms"),
        )
        for what, predicted, published, unit in pairs:
            error = 100 * (predicted / published - 1)
            errors.append(abs(error))
            note = f"{predicted:.1f} {unit}, published {published:g} ({error:+.1f} %)"
            figures.append(Figure(f"{row.name}: error of {what}", abs(error), "%", 20.0, note=note))
    figures.append(Figure("mean absolute error", statistics.fmean(errors), "%", 10.0))
    report("published", figures)
