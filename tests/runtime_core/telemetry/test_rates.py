"""Rates between two snapshots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_core.histogram import Histogram
from runtime_core.telemetry import rates
from runtime_core.telemetry.snapshot import (
    CoreMemory,
    CoreStatusCounts,
    CoreUse,
    CpuTimes,
    Device,
    EccCounts,
    ErrorCounts,
    ExecutionCounts,
    Host,
    HostMemory,
    Instance,
    Runtime,
    Snapshot,
    VcpuTimes,
)

SECOND = 10**9
NO_ECC = EccCounts(0, 0, 0, 0)


def use(busy_ns, flops=0):
    return CoreUse(busy_ns, flops, 0, 0, CoreMemory(), CoreStatusCounts())


def runtime(time_ns, cores, completed=0, pid=1, cpu=None, latency=None):
    return Runtime(
        pid, 5, time_ns, 0, "t", "c", "v", "", cores, ExecutionCounts(completed), ErrorCounts(), latency or Histogram(),
        Histogram(), HostMemory(), (), cpu,
    )  # fmt: skip


def snapshot(time_ns, *runtimes, ecc=NO_ECC, host=None):
    device = Device(0, "b", (0, 1, 2, 3), (), None, None, 8, 0, ecc, None, None, None, None)
    return Snapshot(time_ns, time_ns, "test", Instance("inf1.xlarge", "i"), "2", (device,), runtimes, host)


def host(time_ns, user, idle):
    return Host(time_ns, (VcpuTimes(user, 0, 0, idle, 0, 0, 0),) * 2, int(user * 10), 100, 50, 0, 0)


def test_utilization_is_busy_time_over_time():
    before = snapshot(0, runtime(0, {0: use(0), 1: use(100)}))
    after = snapshot(2 * SECOND, runtime(2 * SECOND, {0: use(SECOND, 4_000), 1: use(100)}))
    change = rates(before, after)
    assert change.core_utilization() == {0: 0.5, 1: 0.0}
    assert change.runtimes[1, 5].cores[0].flops_per_second == 2_000


def test_each_runtime_is_measured_by_its_own_clock():
    before = snapshot(0, runtime(100, {0: use(0)}))
    after = snapshot(SECOND, runtime(SECOND + 100, {0: use(SECOND)}))
    assert rates(before, after).runtimes[1, 5].seconds == 1.0


def test_a_new_runtime_counts_from_zero_and_an_ended_one_is_left_out():
    before = snapshot(0, runtime(0, {0: use(7)}, pid=1))
    after = snapshot(SECOND, runtime(SECOND, {2: use(SECOND // 4)}, completed=9, pid=2))
    change = rates(before, after)
    assert list(change.runtimes) == [(2, 5)]
    assert change.runtimes[2, 5].executions.completed == 9
    assert change.core_utilization() == {2: 0.25}


def test_unknown_stays_unknown():
    before = snapshot(0, runtime(0, {0: use(None, None)}), ecc=EccCounts(1, None, 2, 3))
    after = snapshot(SECOND, runtime(SECOND, {0: use(5, None)}), ecc=EccCounts(4, None, None, 3))
    change = rates(before, after)
    assert change.runtimes[1, 5].cores[0][:2] == (None, None)
    assert change.core_utilization() == {}
    assert change.ecc[0] == EccCounts(3, None, None, 0)
    assert change.runtimes[1, 5].cpu is change.host is None


def test_the_hosts_shares_add_up_to_one():
    change = rates(snapshot(0, host=host(0, 0.0, 0.0)), snapshot(SECOND, host=host(SECOND, 1.0, 3.0)))
    assert change.host.average.user == 0.25
    assert sum(change.host.average) == pytest.approx(1.0)
    assert change.host.context_switches == 10


def test_cpu_time_of_a_process():
    before = snapshot(0, runtime(0, {}, cpu=CpuTimes(1.0, 2.0)))
    after = snapshot(SECOND, runtime(SECOND, {}, cpu=CpuTimes(1.5, 2.25)))
    assert rates(before, after).runtimes[1, 5].cpu == CpuTimes(0.5, 0.25)


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(1, 10**12))
def test_utilization_is_never_outside_zero_and_one(first, second, interval):
    change = rates(snapshot(0, runtime(0, {0: use(first)})), snapshot(interval, runtime(interval, {0: use(second)})))
    assert 0.0 <= change.core_utilization()[0] <= 1.0
