"""Setups under both clocks."""

import pytest

from neuron_tools.bench.real_run import node_for, run_real
from neuron_tools.bench.result import quantile
from neuron_tools.bench.setups import Setup
from neuron_tools.bench.virtual_run import evenly, run_virtual
from runtime_core.engine.plan import plan_of
from runtime_core.instance import instance_type
from runtime_core.status import NrtError
from runtime_core.topology import topology

MS = 10**6


def longest(setup, neff):
    """The plan of the copy on the first core."""
    return plan_of(neff.graph, tuple(range(setup.pipeline)), topology(instance_type(setup.instance_type)))


def throughput(seen):
    return sum(seen.latencies_ns.values()) / seen.seconds


def test_one_client_takes_turns_with_its_core(make_neff):
    setup = Setup("inf1.xlarge", 1, 1, 1, 1, 1)
    neff = make_neff(flops=10**11)
    seen = run_virtual(setup, neff, seconds=5, jitter=False)
    plan = longest(setup, neff)
    (stage,) = plan.stages
    period_ns = plan.alone_ns
    assert set(seen.latencies_ns) == {period_ns}
    assert throughput(seen) == pytest.approx(1e9 / period_ns, rel=0.001)
    assert seen.utilization == pytest.approx(stage.duration_ns[0] / period_ns, rel=0.001)
    assert (seen.failures, seen.generator_cpu_seconds) == (0, None)


def test_more_clients_fill_the_core_and_wait_for_one_another(make_neff):
    neff = make_neff(flops=10**11)
    one, four = (run_virtual(Setup("inf1.xlarge", 1, 1, 1, 1, w), neff, seconds=5, jitter=False) for w in (1, 4))
    assert four.utilization > 0.999 > one.utilization
    assert quantile(four.latencies_ns, 0.5) > 3.5 * quantile(one.latencies_ns, 0.5)


def test_copies_that_share_a_core_share_its_time(make_neff):
    neff = make_neff(flops=10**11)
    alone = run_virtual(Setup("inf1.xlarge", 1, 1, 1, 1, 2), neff, seconds=5, jitter=False)
    shared = run_virtual(Setup("inf1.xlarge", 1, 1, 1, 2, 2), neff, seconds=5, jitter=False)
    assert throughput(shared) == pytest.approx(throughput(alone), rel=0.01)


def test_a_rate_is_served_as_it_comes(make_neff):
    neff = make_neff(flops=10**11)
    setup = Setup("inf1.xlarge", 4, 1, 2, 2, 2)
    seen = run_virtual(setup, neff, seconds=10, jitter=False, rate_per_second=80)
    assert throughput(seen) * setup.batch == pytest.approx(80, rel=0.01)
    assert seen.utilization < 0.3
    over = run_virtual(setup._replace(workers=2), neff, seconds=10, jitter=False, rate_per_second=80_000)
    assert over.utilization > 0.99
    assert quantile(over.latencies_ns, 0.99) > 10**9


def test_arrivals_are_counted_from_the_start():
    times = list(evenly(3, 10**9 + 1))
    assert times == [0, 333_333_333, 666_666_667, 10**9]


def test_copies_that_do_not_fit_in_memory_are_refused(make_neff):
    with pytest.raises(NrtError, match="memory"):
        run_virtual(Setup("inf1.xlarge", 1, 1, 1, 60, 1), make_neff(params_mib=200), seconds=1)


@pytest.mark.parametrize("cores", [1, 4])
def test_both_clocks_agree(make_neff, cores):
    """With more clients than the core needs, a late wake-up has no effect unless the whole machine stops."""
    neff = make_neff(params_mib=64, flops=4 * 10**11)
    setup = Setup("inf1.xlarge", 1, 1, cores, cores, 3)
    simulated = run_virtual(setup, neff, seconds=3, jitter=False)
    with node_for(setup.instance_type) as root:
        for _ in range(5):
            real = run_real(setup, neff, root=root, seconds=3, jitter=False)
            # Only if the wall clock keeps up, which it does not on a machine with other work.
            if real.utilization > 0.995:
                break
        else:
            pytest.skip("the machine is too busy for the wall clock to keep up")
    assert throughput(real) == pytest.approx(throughput(simulated), rel=0.02)
    assert quantile(real.latencies_ns, 0.5) == pytest.approx(quantile(simulated.latencies_ns, 0.5), rel=0.02)
    assert real.failures == 0
    assert real.generator_cpu_seconds > 0


def test_a_rate_under_the_wall_clock_does_not_drift(make_neff):
    setup = Setup("inf1.xlarge", 1, 1, 2, 2, 2)
    with node_for(setup.instance_type) as root:
        seen = run_real(setup, make_neff(flops=10**10), root=root, seconds=3, rate_per_second=100)
    # On a busy machine, the last requests may still wait.
    assert sum(seen.latencies_ns.values()) == pytest.approx(100 * seen.seconds, rel=0.03)
