"""The figures are computed from the observations."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuron_tools.bench.result import Observed, cost_per_million, quantile, result_of
from neuron_tools.bench.setups import ClockKind, Setup

latencies = st.lists(st.integers(1, 10**10), min_size=1, max_size=200)


@given(latencies, st.floats(0, 1))
def test_a_quantile_is_a_latency_that_so_many_do_not_exceed(values, ratio):
    found = quantile(Counter(values), ratio)
    assert found in values
    assert sum(v <= found for v in values) >= ratio * len(values)
    assert sum(v < found for v in values) < max(1, ratio * len(values) + 1e-9)


def test_samples_are_executions_times_batch_and_cost_is_the_whole_instance():
    setup = Setup("inf1.2xlarge", 8, 1, 1, 1, 2)
    seen = Observed(2.0, Counter({10_000_000: 99, 20_000_000: 1}), 3, 0.5, 0.1)
    result = result_of(setup, ClockKind.REAL, None, seen)
    assert (result.executions, result.failures, result.throughput_per_second) == (100, 3, 400.0)
    assert (result.p50_ms, result.p90_ms, result.p99_ms, result.mean_ms) == (10.0, 10.0, 10.0, 10.1)
    assert result.cost_per_million_usd == pytest.approx(0.174 / 3600 / 400 * 1e6)
    assert result.load_generator_cpu_ratio == 0.05


def test_nothing_that_ran_has_no_latency_and_no_cost():
    result = result_of(Setup("inf1.xlarge", 1, 1, 1, 1, 1), ClockKind.VIRTUAL, 5.0, Observed(1.0, {}, 0, 0.0, None))
    assert result.p99_ms is result.mean_ms is result.cost_per_million_usd is result.load_generator_cpu_ratio is None
    assert result.throughput_per_second == 0
    assert cost_per_million(1.0, 0.0) is None
