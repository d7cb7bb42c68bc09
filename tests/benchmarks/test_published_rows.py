"""The timing model predicts the results that AWS published, with the load of those measurements."""

import pytest

pytest.importorskip("onnx")

from benchmarks.published import ROWS, error_percent, simulated
from benchmarks.published_fit import predict
from runtime_core.engine.timing.parameters import PARAMETERS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_published_row_is_predicted(row):
    result = simulated(row)
    assert result.throughput_per_second == pytest.approx(row.throughput, rel=0.2)
    if row.p50_ms is not None:
        assert result.p50_ms == pytest.approx(row.p50_ms, rel=0.2)
        assert result.p99_ms == pytest.approx(row.p99_ms, rel=0.2)


def test_the_fit_predicts_what_the_simulation_gives():
    row = ROWS[4]
    result = simulated(row, jitter=False)
    throughput, p50_ms = predict(row, PARAMETERS)
    assert throughput == pytest.approx(result.throughput_per_second, rel=0.02)
    assert p50_ms == pytest.approx(result.p50_ms, rel=0.02)
    assert error_percent(throughput, None) is None
