"""Laws for every measurement under the virtual clock, with random networks and setups."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuron_tools.bench.setups import Setup
from neuron_tools.bench.virtual_run import run_virtual
from runtime_core.engine.plan import plan_of
from runtime_core.engine.shares import slowdowns
from runtime_core.engine.timing.parameters import DRAM_BYTES_PER_SECOND
from runtime_core.instance import instance_type
from runtime_core.topology import topology

SIZES = ("inf1.xlarge", "inf1.2xlarge", "inf1.6xlarge", "inf1.24xlarge")
networks = st.fixed_dictionaries(
    {"params_mib": st.sampled_from([1, 16, 64]), "flops": st.sampled_from([10**8, 10**10, 10**11])}
)
quick = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
PRECISE = 1.01
"""Tolerance for requests at the ends of the window, and for the order in which equal clients start."""


def throughput(setup, neff):
    seen = run_virtual(setup, neff, seconds=1, jitter=False)
    return sum(seen.latencies_ns.values()) * setup.request_samples / seen.seconds


@quick
@given(networks, st.integers(1, 4), st.sampled_from([1, 2, 5]))
def test_throughput_never_falls_with_workers_cores_or_size(make_neff, network, cores, request_executions):
    neff = make_neff(**network)
    setup = Setup("inf1.xlarge", 1, 1, cores, cores, 1, client_batch=request_executions)
    now = throughput(setup, neff)
    assert throughput(setup._replace(workers=2), neff) * PRECISE >= now
    assert throughput(setup._replace(workers=8), neff) * PRECISE >= now
    assert throughput(setup._replace(instance_type="inf1.24xlarge"), neff) * PRECISE >= now
    if cores < 4:
        assert throughput(setup._replace(cores=cores + 1, models=cores + 1), neff) * PRECISE >= now


@quick
@given(networks, st.sampled_from(SIZES), st.integers(1, 4), st.integers(1, 8))
def test_nothing_does_more_than_its_resources_allow(make_neff, network, size_name, cores, workers):
    neff, size = make_neff(**network), instance_type(size_name)
    setup = Setup(size_name, 1, 1, cores, cores, workers)
    plan = plan_of(neff.graph, (0,), topology(size))
    (stage,) = plan.stages
    seen = run_virtual(setup, neff, seconds=1, jitter=False)
    rate = sum(seen.latencies_ns.values()) / seen.seconds / PRECISE
    assert rate * plan.host_ns <= 1e9 * size.vcpu_count / slowdowns(size.vcpu_count)[-1]
    assert rate * plan.pcie_ns <= 1e9
    assert rate * stage.duration_ns[0] <= 1e9 * cores
    assert rate * stage.dram_bytes <= DRAM_BYTES_PER_SECOND
    assert min(seen.latencies_ns) >= plan.alone_ns


@quick
@given(networks, st.integers(1, 4))
def test_one_client_has_one_request_at_a_time(make_neff, network, request_executions):
    setup = Setup("inf1.xlarge", 1, 1, 1, 1, 1, client_batch=request_executions)
    seen = run_virtual(setup, make_neff(**network), seconds=1)
    requests = sum(seen.latencies_ns.values())
    mean_ns = sum(latency * count for latency, count in seen.latencies_ns.items()) / requests
    assert requests / seen.seconds * mean_ns / 1e9 == pytest.approx(1, abs=0.02)


def test_seeds_repeat_the_spread_and_no_jitter_has_none(make_neff):
    setup, neff = Setup("inf1.xlarge", 1, 1, 4, 4, 2), make_neff(flops=10**11)
    first, again, other = (run_virtual(setup, neff, seconds=1, seed=seed).latencies_ns for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) > 10 * len(run_virtual(setup, neff, seconds=1, jitter=False).latencies_ns)
