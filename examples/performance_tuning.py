"""Tune a BERT for pair classification: precision, batch, pipeline and data parallel, by accuracy, speed and cost.

The network has BERT base's layers, four of them, and random weights: its speed is real, its answers mean nothing.

    python examples/performance_tuning.py --output tuning

prints a table and writes ``latency.svg`` (throughput against latency) and ``error.svg`` (error against speed).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator
from rich.console import Console
from rich.progress import track
from rich.table import Table

from neuron_tools.bench.result import Result, result_of
from neuron_tools.bench.setups import ClockKind, Setup
from neuron_tools.bench.virtual_run import run_virtual
from neuron_tools.models.encoders import Encoder, build_encoder
from runtime_core.compiler import CompileOptions, Fp32Cast
from runtime_core.compiler import compile as compile_model
from runtime_core.neff.model import Neff
from runtime_core.virtual.node import VirtualNode

PAIRS = Encoder(vocabulary=2000, positions=128, first_position=0, segments=2, layers=4, pooler="Tanh")
SEQUENCE = 64
BATCHES = (1, 2, 4, 8, 16)
PIPELINES = (1, 4, 16)
INSTANCE, CORES = "inf1.6xlarge", 16
CHECKED = 8
"""Pairs whose answers are compared with FP32."""

Arrays = Mapping[str, NDArray[np.generic]]


class Row(NamedTuple):
    """One setting. ``way``: how its cores share the work; errors are of the logits, against FP32."""

    cast: Fp32Cast
    way: str
    largest_error: float
    mean_error: float
    result: Result


def network(batch: int) -> ModelProto:
    """The classifier; equal weights for every batch."""
    return build_encoder("pairs", PAIRS, batch, SEQUENCE, 0, "float32")


def pairs() -> Arrays:
    """Pairs of sentences: two segments of random tokens each."""
    random = np.random.default_rng(0)
    segments = np.zeros((CHECKED, SEQUENCE), np.int64)
    segments[:, SEQUENCE // 2 :] = 1
    return {
        "input_ids": random.integers(0, PAIRS.vocabulary, (CHECKED, SEQUENCE), np.int64),
        "attention_mask": np.ones((CHECKED, SEQUENCE), np.int64),
        "token_type_ids": segments,
    }


def errors(cast: Fp32Cast, expected: NDArray[np.float32]) -> tuple[float, float]:
    """Largest and mean error of the compiled network's logits, against the ONNX reference in FP32."""
    compiled = compile_model(network(CHECKED), CompileOptions(fp32_cast=cast))
    with VirtualNode("inf1.xlarge") as node:
        runtime = node.runtime(cores="0", numerics=True)
        logits = runtime.infer(runtime.load(compiled), dict(pairs())).outputs["logits"]
    off = np.abs(logits.astype(np.float32) - expected)
    return float(off.max()), float(off.mean())


def measured(cast: Fp32Cast, batch: int, pipeline: int, *, data_parallel: bool = False) -> Result:
    """All cores of an instance: copies with a client more than stages, or one call at a time split over all copies."""
    compiled = compile_model(network(batch), CompileOptions(fp32_cast=cast, pipeline_cores=pipeline))
    copies = CORES // pipeline
    workers = 1 if data_parallel else pipeline + 1
    setup = Setup(INSTANCE, batch, pipeline, CORES, copies, workers, data_parallel=data_parallel)
    seen = run_virtual(setup, Neff(compiled.graph, uuid=compiled.uuid), seconds=2.0)
    return result_of(setup, ClockKind.VIRTUAL, None, seen)


def rows() -> list[Row]:
    """Every setting of the tour."""
    (expected,) = ReferenceEvaluator(network(CHECKED)).run(None, dict(pairs()))
    found = []
    settings = [(cast, batch, pipeline) for cast in Fp32Cast for batch in BATCHES for pipeline in PIPELINES]
    off = {cast: errors(cast, expected) for cast in Fp32Cast}
    for cast, batch, pipeline in track(settings, "measuring", console=Console(stderr=True), transient=True):
        way = f"{CORES // pipeline} x pipeline of {pipeline}" if pipeline > 1 else f"{CORES} copies"
        found.append(Row(cast, way, *off[cast], measured(cast, batch, pipeline)))
        if pipeline == 1:
            split = measured(cast, batch, pipeline, data_parallel=True)
            found.append(Row(cast, "data parallel", *off[cast], split))
    return found


def print_table(found: Sequence[Row], console: Console) -> None:
    """One line per setting."""
    table = Table("cast", "batch", "cores", "largest error", "mean error", "samples/s", "p50 ms", "p99 ms", "$/million")
    for row in found:
        r = row.result
        cost = "N/A" if r.cost_per_million_usd is None else f"{r.cost_per_million_usd:.4f}"
        figures = [f"{value:.2f}" if value is not None else "N/A" for value in (r.p50_ms, r.p99_ms)]
        off = [f"{value:.1e}" for value in (row.largest_error, row.mean_error)]
        table.add_row(row.cast, str(r.batch), row.way, *off, f"{r.throughput_per_second:.0f}", *figures, cost)
    console.print(table)


def save_plots(found: Sequence[Row], folder: Path) -> None:
    """Throughput against latency, and error against speed."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "tuning"}):
        latency, error = Figure(figsize=(8, 5), layout="constrained"), Figure(figsize=(8, 5), layout="constrained")
        axes = latency.add_subplot()
        for way in dict.fromkeys(row.way for row in found):
            points = [row.result for row in found if row.way == way and row.cast is Fp32Cast.ALL]
            axes.plot([r.p50_ms for r in points], [r.throughput_per_second for r in points], "o-", label=way)
        axes.set(xscale="log", xlabel="p50 latency, ms", ylabel="samples per second", title="--fp32-cast=all")
        axes.legend()
        axes = error.add_subplot()
        for cast in Fp32Cast:
            best = max((row for row in found if row.cast is cast), key=lambda row: row.result.throughput_per_second)
            axes.scatter([best.result.throughput_per_second], [max(best.largest_error, 1e-9)], label=cast.value)
        axes.set(yscale="log", xlabel="samples per second, best setting", ylabel="largest error of a logit")
        axes.legend()
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in (("latency", latency), ("error", error)):
            figure.savefig(folder / f"{name}.svg", format="svg", metadata={"Date": None})


def main() -> None:
    """Run the tour."""
    parser = argparse.ArgumentParser(description="Tune a BERT for pair classification on a simulated Inf1 instance.")
    parser.add_argument("--output", type=Path, default=Path("tuning"), help="folder of the plots (default: tuning)")
    folder: Path = parser.parse_args().output
    found = rows()
    print_table(found, Console(width=120))
    save_plots(found, folder)
    print(f"wrote {folder / 'latency.svg'} and {folder / 'error.svg'}")


if __name__ == "__main__":
    main()
