"""The timing model still predicts what AWS published, and the engine runs what the model predicts."""

import pytest

pytest.importorskip("onnx")

from benchmarks.published import ROWS, graph_of
from benchmarks.published_fit import Case, predict
from neuron_tools.bench.result import result_of
from neuron_tools.bench.setups import ClockKind
from neuron_tools.bench.virtual_run import run_virtual
from runtime_core.engine.timing.parameters import PARAMETERS
from runtime_core.neff.model import Neff


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_published_row_is_predicted(row):
    graph = graph_of(row)
    throughput, p50_ms = predict(Case(row, graph), PARAMETERS)
    assert throughput == pytest.approx(row.throughput, rel=0.1)
    assert p50_ms == pytest.approx(row.p50_ms, rel=0.1)
    ran = result_of(
        row.setup, ClockKind.VIRTUAL, None, run_virtual(row.setup, Neff(graph, uuid="0" * 32), seconds=None)
    )
    assert ran.throughput_per_second == pytest.approx(throughput, rel=0.01)
    assert ran.p50_ms == pytest.approx(p50_ms, rel=0.01)
