"""The figures are computed from the observations."""

import io
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from neuron_tools.bench.report import print_report
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
    assert result.throughput_per_second is None
    assert cost_per_million(1.0, 0.0) is None


def offered(rate, seconds, ended, failures=0):
    seen = Observed(seconds, Counter({16_000_000: ended}) if ended else {}, failures, 0.0, None)
    return result_of(Setup("inf1.xlarge", 1, 1, 1, 1, 1), ClockKind.VIRTUAL, rate, seen)


def report(result):
    console = Console(file=io.StringIO(), width=120)
    print_report("m.neff", [result], console)
    return console.file.getvalue()


@pytest.mark.parametrize(("rate", "seconds", "ended"), [(3, 0.1, 0), (2.5, 1, 2), (0.01, 10, 0), (3, 0.5, 2)])
def test_requests_that_were_not_due_are_not_missed(rate, seconds, ended):
    assert "was not served" not in report(offered(rate, seconds, ended))


@pytest.mark.parametrize(("rate", "seconds", "ended"), [(100, 1, 50), (100, 10, 970), (3, 10, 0), (2000, 1, 1950)])
def test_requests_that_were_due_and_did_not_end_are_missed(rate, seconds, ended):
    assert "was not served: add workers" in report(offered(rate, seconds, ended))


def test_few_requests_widen_the_interval():
    assert offered(3, 0.5, 2).interval_ratio == 0.5
    assert "4.0 ± 50%" in report(offered(3, 0.5, 2))
    assert offered(3, 10, 30).interval_ratio == offered(3, 10, 10_000).interval_ratio < 0.5


def test_a_window_without_a_request_has_no_throughput():
    text = report(offered(None, 0.001, 0))
    assert "N/A" in text
    assert "increase --duration" in text
    assert "±" not in text
    assert offered(None, 1, 0, failures=3).throughput_per_second == 0
