"""The advice is the cheapest setup that serves the demand."""

import json
from pathlib import Path

import pytest

from neuron_tools.bench import advice_report
from neuron_tools.bench.advise import Finding, Space, bottleneck_ns, search
from neuron_tools.bench.command import parse_time_ns
from neuron_tools.bench.demand import Demand, try_setup
from neuron_tools.bench.networks import Networks
from neuron_tools.bench.setups import Setup
from runtime_core.engine.plan import plan_of
from runtime_core.errors import UsageError
from runtime_core.instance import INSTANCE_TYPES
from runtime_core.topology import topology

MS = 10**6
SMALL = tuple(INSTANCE_TYPES[name] for name in ("inf1.xlarge", "inf1.6xlarge"))


class Made(Networks):
    """A model of about 10 ms per sample that can be divided evenly over up to four cores."""

    def __init__(self, make_neff):
        self.path, self.fixed = Path("made.onnx"), False
        self._make_neff = make_neff

    def get(self, batch, pipeline):
        if pipeline > 4:
            raise UsageError("4 at most")
        return self._make_neff(params_mib=8 // pipeline, cores=pipeline, flops=batch * 16 * 10**10 // pipeline)


@pytest.fixture
def networks(make_neff):
    return Made(make_neff)


def found(networks, rate, p99_ms, batches=(1, 2), pipelines=(1, 2), types=SMALL, instances=1, seed=0):
    space = Space(batches, pipelines, types, instances)
    return search(networks, Demand(rate, round(p99_ms * MS), seed), space, lambda done, doing: None)


def plan(networks, batch, pipeline):
    return plan_of(networks.get(batch, pipeline).graph, tuple(range(pipeline)), topology(SMALL[1]))


def core_rate(networks):
    """Samples per second of one core that is never idle."""
    return 1e9 / bottleneck_ns(plan(networks, 1, 1))


def patience_ms(networks):
    """Six executions."""
    return 6 * plan(networks, 1, 1).alone_ns / MS


def test_little_is_served_by_the_smallest_size_and_more_by_a_larger_one(networks):
    rate, limit_ms = core_rate(networks), patience_ms(networks)
    few, many = found(networks, 0.6 * rate, limit_ms), found(networks, 6 * rate, limit_ms)
    assert few[0].finding is many[0].finding is Finding.SERVES
    assert (few[0].instance_type, many[0].instance_type) == ("inf1.xlarge", "inf1.6xlarge")
    assert few[0].p99_ms <= limit_ms
    best, runner_up = advice_report.serving(few)
    assert best.price_usd_per_hour <= runner_up.price_usd_per_hour
    assert (best.batch, best.pipeline) != (runner_up.batch, runner_up.pipeline)
    assert best.cost_per_million_usd == pytest.approx(0.110 / 3600 / (0.6 * rate) * 1e6)


def test_a_batch_that_fills_late_is_distinguished_from_an_execution_that_is_too_slow(networks):
    limit_ms = patience_ms(networks)
    results = {a.batch: a.finding for a in found(networks, 1, limit_ms, (1, 2, 4), (1,), SMALL[:1])}
    assert plan(networks, 2, 1).alone_ns / MS < limit_ms
    assert results == {1: Finding.SERVES, 2: Finding.FILLS_LATE, 4: Finding.FILLS_LATE}
    one_ms = plan(networks, 1, 1).alone_ns / MS
    assert {a.finding for a in found(networks, 1, one_ms / 2, (1, 2), (1,), SMALL[:1])} == {Finding.TOO_SLOW}


def test_no_fewer_cores_would_do(networks):
    demand = Demand(2.5 * core_rate(networks), round(patience_ms(networks) * MS))
    best = found(networks, demand.rate_per_second, demand.p99_ns / MS)[0]
    assert best.models > 1
    fewer = Setup(best.instance_type, best.batch, best.pipeline, best.cores - best.pipeline, best.models - 1, 1)
    trial = try_setup(fewer, networks.get(best.batch, best.pipeline), demand)
    served = sum(count for latency, count in trial.latencies_ns.items() if latency <= demand.p99_ns)
    assert served < 0.99 * trial.latencies_ns.total()


def test_a_pipeline_takes_work_more_often_without_waiting_for_a_batch(networks):
    alone_ms = {p: plan(networks, 1, p).alone_ns / MS for p in (1, 4)}
    bottleneck_ms = {p: bottleneck_ns(plan(networks, 1, p)) / MS for p in (1, 4)}
    assert bottleneck_ms[4] < 0.5 * bottleneck_ms[1]
    results = {(a.batch, a.pipeline): a for a in found(networks, 5, alone_ms[1] * 1.5, (1, 2), (1, 4, 8), SMALL[1:])}
    assert results[1, 1].finding is results[1, 4].finding is Finding.SERVES
    assert results[2, 1].finding is Finding.TOO_SLOW
    assert results[1, 8].finding is Finding.NO_SUCH_CUT


def test_what_cannot_be_served_is_told_with_its_reason(networks):
    rate, limit_ms = core_rate(networks), patience_ms(networks)
    assert {a.finding for a in found(networks, 100 * rate, limit_ms)} == {Finding.TOO_LITTLE}
    assert {a.finding for a in found(networks, 60, 1)} == {Finding.TOO_SLOW}
    # At the maximum rate of the cores, random arrivals cannot be served.
    late = found(networks, 3.99 * rate, limit_ms / 3, batches=(1,), pipelines=(1,), types=SMALL[:1])
    assert [a.finding for a in late] == [Finding.TOO_LATE]
    assert late[0].p99_ms > limit_ms / 3
    assert advice_report.serving(late) == []


def test_several_small_instances_may_be_cheaper_than_a_large_one(networks):
    rate, limit_ms = 6 * core_rate(networks), patience_ms(networks)
    alone, several = found(networks, rate, limit_ms), found(networks, rate, limit_ms, instances=3)
    assert (alone[0].instance_type, several[0].instance_type) == ("inf1.6xlarge", "inf1.xlarge")
    assert several[0].price_usd_per_hour == pytest.approx(0.110 * several[0].instances)
    assert several[0].price_usd_per_hour < alone[0].price_usd_per_hour


def test_equal_seeds_give_equal_advice(networks):
    limit_ms = patience_ms(networks)
    assert found(networks, 60, limit_ms) == found(networks, 60, limit_ms)


def test_latency_is_of_samples_and_has_the_gathering_in_it(networks):
    neff = networks.get(8, 1)
    trial = try_setup(Setup("inf1.xlarge", 8, 1, 1, 1, 1), neff, Demand(10.0, 10**10))
    fastest, slowest = min(trial.latencies_ns), max(trial.latencies_ns)
    assert fastest == plan(networks, 8, 1).alone_ns
    # The first sample of a batch waits for seven more, 0.7 s on average.
    assert slowest > fastest + 700 * MS
    assert trial.in_flight == 1


@pytest.mark.parametrize(("text", "time_ns"), [("20ms", 20 * MS), ("1.5s", 1500 * MS), (" 800us ", 800_000)])
def test_times(text, time_ns):
    assert parse_time_ns(text) == time_ns


@pytest.mark.parametrize("text", ["", "20", "ms", "-1ms", "0ms", "1h", "2e3ms", "9999999s", "٢ms"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UsageError, match="--p99"):
        parse_time_ns(text)


@pytest.fixture
def bench(command):
    return lambda *arguments, **options: command("neuron_tools.bench", *arguments, **options)


def test_the_command_prints_the_two_best_and_the_trade_off(bench, light_networks):
    model = light_networks / "light_squeezenet.onnx"
    arguments = (model, "--advise", "--p99", "5ms", "--rate", 2000, "--batch", "1,2,4", "--pipeline", "1,2")
    done = bench(*arguments)
    assert done.returncode == 0, done.stderr
    assert "cheapest" in done.stdout
    assert "runner-up" in done.stdout
    assert "Batching against pipelining" in done.stdout
    report = json.loads(bench(*arguments, "--json").stdout)
    assert report["best"]["finding"] == report["runner_up"]["finding"] == "serves"
    assert report["best"]["p99_ms"] <= report["p99_limit_ms"] == 5.0
    assert report["considered"][0] == report["best"]


def test_a_demand_that_nothing_serves_is_a_failure(bench, squeezenet_neff):
    done = bench(squeezenet_neff, "--advise", "--p99", "1us", "--rate", 10, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["best"] is None
    assert "no setup serves" in bench(squeezenet_neff, "--advise", "--p99", "1us", "--rate", 10).stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--advise"], "--rate 3000 --p99 20ms"),
        (["--advise", "--rate", "10", "--p99", "soon"], "'soon'"),
        (["--advise", "--rate", "10", "--p99", "1s", "--cores", "4"], "--cores"),
        (["--advise", "--rate", "10", "--p99", "1s", "--clock", "real"], "--clock real"),
        (["--p99", "1s"], "--advise"),
    ],
)
def test_options_that_make_no_sense_together(bench, squeezenet_neff, options, says):
    done = bench(squeezenet_neff, *options)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stdout == ""
