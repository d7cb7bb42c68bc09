"""How the fitted figures of the timing model were found, and how rows are predicted that took no part in it.

The published rows are too few to tell every figure apart, so each also has an expectation, and is drawn towards it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.harness import Figure, report
from benchmarks.published import ROWS, Published, graph_of
from runtime_core.engine.timing.model import time_graph
from runtime_core.engine.timing.parameters import PARAMETERS, TimingParameters
from runtime_core.neff.graph import Graph

EXPECTED: Mapping[str, float] = {
    "instruction_overhead_seconds": 5e-6,
    "execution_overhead_seconds": 0.7e-3,
    "layout_bytes_per_second": 0.5e9,
    "move_bytes_per_second": 100 * 1024**3,
}
"""What one would think before seeing the rows: a DMA of 2 us and two semaphores an instruction; framework and runtime
together under a millisecond; strided copies of one thread; a read and a write at the pace of DRAM."""
ROW_ERROR = math.log(1.1)
"""How far a model of this kind is trusted to predict a row."""
EXPECTATION_ERROR = math.log(1.5)
"""How far an expectation is trusted."""
_SMALLEST_STEP = 0.002


class Case(NamedTuple):
    """A published row with its compiled graph."""

    row: Published
    graph: Graph


def predict(case: Case, parameters: TimingParameters) -> tuple[float, float]:
    """Samples a second and latency in milliseconds, of the closed queue in front of each core.

    ``workers`` clients of a core take turns on it, and spend the time before and after an execution by themselves:
    either the core or the clients are what is always busy. All is constant, so the latency is the median too.
    """
    setup = case.row.setup
    costs = time_graph(case.graph, None, parameters)
    core_ns = sum(node.duration_ns[setup.models - 1] for node in costs.nodes)
    alone_ns = costs.before_ns + core_ns + costs.after_ns
    period_ns = max(core_ns, alone_ns / setup.workers)
    return setup.models * setup.batch / period_ns * 1e9, max(alone_ns, setup.workers * core_ns) / 1e6


def fit(cases: Sequence[Case]) -> TimingParameters:
    """The likeliest figures: the rows' errors and the distances from what was expected weigh against each other."""
    found = PARAMETERS._replace(**EXPECTED)
    best, step = _cost(cases, found), 0.3
    while step > _SMALLEST_STEP:
        better = False
        for name in EXPECTED:
            for factor in (math.exp(step), math.exp(-step)):
                tried = found._replace(**{name: getattr(found, name) * factor})
                cost = _cost(cases, tried)
                if cost < best:
                    found, best, better = tried, cost, True
        step = step if better else step / 2
    return found


def _cost(cases: Sequence[Case], parameters: TimingParameters) -> float:
    """Minus the logarithm of the likelihood, but for a constant."""
    cost = 0.0
    for case in cases:
        throughput, p50_ms = predict(case, parameters)
        cost += (math.log(throughput / case.row.throughput) / ROW_ERROR) ** 2
        cost += (math.log(p50_ms / case.row.p50_ms) / ROW_ERROR) ** 2
    for name, expected in EXPECTED.items():
        cost += (math.log(getattr(parameters, name) / expected) / EXPECTATION_ERROR) ** 2
    return cost


def main() -> None:
    """Fit all rows, compare with what is in use, and predict each row from the others."""
    cases = [Case(row, graph_of(row)) for row in ROWS]
    figures = []
    found = fit(cases)
    for name in EXPECTED:
        used = getattr(PARAMETERS, name)
        distance = 100 * abs(used / getattr(found, name) - 1)
        figures.append(Figure(f"{name}: fitted {getattr(found, name):.4g}, in use", used, ""))
        figures.append(Figure(f"{name}: distance", distance, "%", 3.0))
    for number, case in enumerate(cases):
        rest = cases[:number] + cases[number + 1 :]
        throughput, p50_ms = predict(case, fit(rest))
        for what, predicted, published in (
            ("throughput", throughput, case.row.throughput),
            ("p50", p50_ms, case.row.p50_ms),
        ):
            error = 100 * (predicted / published - 1)
            note = f"{predicted:.1f}, published {published:g} ({error:+.1f} %)"
            figures.append(Figure(f"{case.row.name}, left out: error of {what}", abs(error), "%", note=note))
    report("published_fit", figures)
