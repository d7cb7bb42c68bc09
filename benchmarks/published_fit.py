"""Fit the figures of the timing model, and measure its predictions for networks that were left out of the fit.

The published rows are too few to determine every figure, so each figure also has an expectation (a prior). Several
forms of the model are fitted and scored by the rows, and by one more published figure that no fit uses: the latency of
a single BERT sample in a pipeline of 16 cores. For the errors of unseen networks, all rows of a network are left out
together, and the form is chosen again without them (nested).
"""

from __future__ import annotations

import functools
import itertools
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.harness import Figure, report
from benchmarks.published import ROWS, Published, error_percent, graph_of
from benchmarks.published_plot import Prediction, save_plot
from neuron_tools.bench.result import quantile
from neuron_tools.bench.setups import Setup
from neuron_tools.bench.virtual_run import spawn_requests
from runtime_core.engine.jitter import Jitter
from runtime_core.engine.plan import plan_of
from runtime_core.engine.timing.parameters import (
    INTERVAL_RATIO,
    PARAMETERS,
    PE_CLOCK_HZ,
    PE_COLUMNS,
    TimingParameters,
)
from runtime_core.neff.model import Neff
from runtime_core.topology import topology
from runtime_core.virtual.node import VirtualNode

EXPECTED: Mapping[str, float] = {
    "pass_overhead_cycles": 128,
    "instruction_overhead_seconds": 5e-6,
    "execution_overhead_seconds": 0.7e-3,
    "layout_bytes_per_second": 0.5e9,
}
"""Expectations without the rows: 128 cycles to load a tile, with hidden fill and drain; a DMA of 2 us and two
semaphores per instruction; less than a millisecond for framework and runtime together. Layout is between 0.16 and 1.6
GB/s: at worst, each FP16 element needs a read and a write of a 64-byte cache line at 10 GB/s per thread; at best, data
is read, converted and written in blocks, three passes at 5 GB/s."""
SPREAD: Mapping[str, float] = {"pass_overhead_cycles": math.log(2), "layout_bytes_per_second": math.log(3)}
"""Standard deviation of an expectation, as a logarithm; log(1.5) for the others."""
_SPREAD = math.log(1.5)
ROW_ERROR = math.log(1.1)
"""Standard deviation of the predictions of such a model, as a logarithm."""


class Form(NamedTuple):
    """Columns of a pass (width of the array, half an accumulation bank, a whole bank), and rate of ACT and POOL."""

    pass_columns: int
    vector_flops_per_second: float

    @property
    def name(self) -> str:
        """A short name for reports."""
        return f"passes of {self.pass_columns} columns, vectors at {self.vector_flops_per_second / 1e9:g} GFLOP/s"


FORMS = tuple(
    Form(columns, PE_COLUMNS * clock_hz) for columns in (PE_COLUMNS, 256, 512) for clock_hz in (1e9, PE_CLOCK_HZ)
)
PIPELINE = Published(
    "BERT base, batch 1, pipeline of 16", "bert-base", "BERT", "float32",
    Setup("inf1.6xlarge", 1, 16, 16, models=1, workers=1), math.nan, 5.9, None,
)  # fmt: skip
"""A figure that helps to choose the form; its throughput is unknown."""
_ROUNDS = 40
_STEP = 0.05
_STEPS = 4
HOST_JITTER = (0.02, 0.035, 0.05, 0.07, 0.1)
DEVICE_JITTER = (0.02, 0.04, 0.06, 0.08, 0.1)
"""Values of the two jitter figures, which are tried in all pairs."""
_P99_REQUESTS = 1000


class Fit(NamedTuple):
    """A form of the model with fitted figures.

    Attributes:
        parameters: of the model.
        cost: minus the logarithm of the likelihood, but for a constant.
    """

    parameters: TimingParameters
    cost: float


@functools.cache
def predict(row: Published, parameters: TimingParameters) -> tuple[float, float]:
    """Return samples per second and median latency in milliseconds, under the virtual clock without jitter."""
    return _simulate(row, parameters, _ROUNDS, None)[:2]


def _simulate(
    row: Published, parameters: TimingParameters, rounds: int, jitter: Jitter | None
) -> tuple[float, float, float]:
    """Return samples per second, p50 and p99 in milliseconds, over ``rounds`` times the latency of one execution."""
    setup, neff = row.setup, Neff(graph_of(row), uuid="0" * 32)
    with VirtualNode(setup.instance_type) as node:
        runtime = node.runtime(cores=f"0-{setup.cores - 1}", jitter=jitter or False)
        models = [runtime.load(neff, setup.first_core(copy)) for copy in range(setup.models)]
        for model in models:
            model.plan = plan_of(neff.graph, model.cores, topology(node.store.size), parameters)
        round_ns = models[0].plan.alone_ns * setup.executions_per_copy
        latencies: Counter[int] = Counter()
        spawn_requests(node, runtime, setup, models, latencies)
        node.run(5 * round_ns)
        latencies.clear()
        node.run((5 + rounds) * round_ns)
        throughput = latencies.total() * setup.request_samples / (rounds * round_ns) * 1e9
        p50_ms, p99_ms = ((quantile(latencies, ratio) or 0) / 1e6 for ratio in (0.5, 0.99))
        return throughput, p50_ms, p99_ms


@functools.cache
def predict_p99(row: Published, parameters: TimingParameters) -> float:
    """Return the p99 latency in milliseconds, under the virtual clock with the jitter of ``parameters``."""
    rounds = -(-_P99_REQUESTS // row.setup.clients)
    return _simulate(row, parameters, rounds, Jitter("published", parameters))[2]


def fit_jitter(rows: Sequence[Published], parameters: TimingParameters) -> TimingParameters:
    """Return the pair of jitter figures with the least squared errors of p99; rows without p99 are ignored."""

    def cost(tried: TimingParameters) -> float:
        return sum(math.log(predict_p99(row, tried) / row.p99_ms) ** 2 for row in rows if row.p99_ms is not None)

    pairs = itertools.product(HOST_JITTER, DEVICE_JITTER)
    return min((parameters._replace(host_jitter_ratio=h, device_jitter_ratio=d) for h, d in pairs), key=cost)


def _p99_figures() -> list[Figure]:
    """Return the jitter fitted to all rows, and p99 of each network with the jitter fitted to the other rows."""
    figures = []
    best = fit_jitter(ROWS, PARAMETERS)
    for name in ("host_jitter_ratio", "device_jitter_ratio"):
        used, fitted = getattr(PARAMETERS, name), getattr(best, name)
        figures.append(
            Figure(
                f"{name}: in use, from the fit", 100 * abs(used / fitted - 1), "%", 3.0, note=f"{used:g}, {fitted:g}"
            )
        )
    errors = []
    for family in dict.fromkeys(row.family for row in ROWS):
        chosen = fit_jitter([row for row in ROWS if row.family != family], PARAMETERS)
        for row in ROWS:
            if row.family == family and row.p99_ms is not None:
                p99_ms = predict_p99(row, chosen)
                error = error_percent(p99_ms, row.p99_ms) or 0.0
                errors.append(abs(error))
                note = (
                    f"{p99_ms:.1f} ms, published {row.p99_ms:g} ({error:+.1f} %), "
                    f"host {chosen.host_jitter_ratio:g}, device {chosen.device_jitter_ratio:g}"
                )
                figures.append(Figure(f"{row.name}, jitter without the network: p99", abs(error), "%", note=note))
    figures.append(Figure("mean error of p99, jitter without the network", statistics.fmean(errors), "%", 15.0))
    return figures


def misfits(row: Published, parameters: TimingParameters) -> list[float]:
    """Return the errors of the prediction of a row, in standard deviations of the model's error."""
    throughput, p50_ms = predict(row, parameters)
    pairs = [(throughput, row.throughput), (p50_ms, row.p50_ms)]
    return [
        math.log(found / published) / ROW_ERROR
        for found, published in pairs
        if published is not None and not math.isnan(published)
    ]


def fit(rows: Sequence[Published], form: Form) -> Fit:
    """Return the most likely figures of a form, by Gauss-Newton steps on their logarithms."""
    import numpy as np

    names = list(EXPECTED)
    weights = np.array([1 / SPREAD.get(name, _SPREAD) for name in names])

    def at(logs: np.ndarray) -> TimingParameters:
        # Round, so that equal figures are simulated only once.
        figures: dict[str, Any] = {
            name: float(f"{EXPECTED[name] * math.exp(value):.6g}") for name, value in zip(names, logs, strict=True)
        }
        return PARAMETERS._replace(**form._asdict(), **figures)

    def residuals(logs: np.ndarray) -> np.ndarray:
        parameters = at(logs)
        return np.array([*(m for row in rows for m in misfits(row, parameters)), *(logs * weights)])

    logs = np.zeros(len(names))
    now = residuals(logs)
    for _ in range(_STEPS):
        slopes = np.stack([(residuals(logs + _STEP * unit) - now) / _STEP for unit in np.eye(len(names))], axis=1)
        step = -np.linalg.lstsq(slopes, now, rcond=None)[0]
        for scale in (1.0, 0.5, 0.25):
            found = residuals(logs + scale * step)
            if found @ found < now @ now:
                logs, now = logs + scale * step, found
                break
        else:
            break
    return Fit(at(logs), float(now @ now))


def choose(rows: Sequence[Published]) -> Fit:
    """Return the form that best explains the rows, and the latency of the pipeline if its network is among them."""
    known = any(row.family == PIPELINE.family for row in rows)

    def score(found: Fit) -> float:
        return found.cost + (sum(m * m for m in misfits(PIPELINE, found.parameters)) if known else 0.0)

    return min((fit(rows, form) for form in FORMS), key=score)


def _errors(rows: Sequence[Published], parameters: TimingParameters) -> list[Prediction]:
    found = []
    for row in rows:
        throughput, p50_ms = predict(row, parameters)
        found.append((row, "throughput", throughput, row.throughput))
        if row.p50_ms is not None:
            found.append((row, "p50", p50_ms, row.p50_ms))
    return found


def _percents(errors: Sequence[Prediction]) -> list[float]:
    return [abs(error_percent(predicted, published) or 0.0) for _, _, predicted, published in errors]


def main() -> None:
    """Fit every form to all rows, then predict each network from the others; write the plot."""
    figures = []
    best = choose(ROWS)
    for form in FORMS:
        found = fit(ROWS, form)
        percents = _percents(_errors(ROWS, found.parameters))
        pipeline_ms = predict(PIPELINE, found.parameters)[1]
        note = f"cost {found.cost:.1f}, worst {max(percents):.1f} %, pipeline of 16: {pipeline_ms:.1f} ms"
        figures.append(Figure(f"{form.name}: mean error", statistics.fmean(percents), "%", note=note))
    for name in (*Form._fields, *EXPECTED):
        used, fitted = getattr(PARAMETERS, name), getattr(best.parameters, name)
        figures.append(
            Figure(
                f"{name}: in use, from the fit", 100 * abs(used / fitted - 1), "%", 3.0, note=f"{used:g}, {fitted:g}"
            )
        )
    unseen = []
    for family in dict.fromkeys(row.family for row in ROWS):
        rest = [row for row in ROWS if row.family != family]
        chosen = choose(rest)
        left_out = _errors([row for row in ROWS if row.family == family], chosen.parameters)
        unseen += left_out
        for row, what, predicted, published in left_out:
            error = error_percent(predicted, published) or 0.0
            note = (
                f"{predicted:.1f}, published {published:g} ({error:+.1f} %), {chosen.parameters.pass_columns} columns"
            )
            figures.append(Figure(f"{row.name}, network left out: {what}", abs(error), "%", note=note))
    percents = _percents(unseen)
    figures.append(Figure("mean error of networks left out", statistics.fmean(percents), "%", 12.0))
    figures.append(Figure("median error of networks left out", statistics.median(percents), "%"))
    within = sum(p <= 100 * INTERVAL_RATIO for p in percents) / len(percents)
    figures.append(
        Figure("errors of networks left out within the interval", 100 * within, "%", note=f"± {INTERVAL_RATIO:.0%}")
    )
    figures += _p99_figures()
    report("published_fit", figures)
    save_plot(_errors(ROWS, PARAMETERS), unseen)
