"""The merged results of several processes equal those of one process."""

from hypothesis import given
from hypothesis import strategies as st

from neuron_tools.sim.load_results import LostProcess, ProcessResult, as_dict, format_summary, summarize
from runtime_core.histogram import Histogram, bucket_index

LATENCIES = st.lists(st.integers(1_000, 10**9), max_size=40)


def counted(latencies):
    buckets = {}
    for latency in latencies:
        buckets[bucket_index(latency)] = buckets.get(bucket_index(latency), 0) + 1
    return sum(latencies), dict(sorted(buckets.items()))


def result(latencies=(), pid=1, cores=(0,), started_ns=0, ended_ns=10**9, late=0, failed=0, busy_ns=0):
    counts = {"completed": len(latencies), "timed_out": failed}
    times = counted(latencies)
    busy = dict.fromkeys(cores, busy_ns)
    return ProcessResult("web", pid, ("net",), counts, started_ns, ended_ns, times, times, busy, late)


def of(*results, lost=()):
    return summarize(results, tag="web", pid=7, numerics=True, lost=lost)


@given(LATENCIES, LATENCIES)
def test_latencies_of_two_processes_are_those_of_one_that_met_all(first, second):
    merged = of(result(first), result(second, pid=2, cores=(1,)))
    alone = of(result([*first, *second]))
    assert (merged.p50_ms, merged.p99_ms, merged.device_p50_ms) == (alone.p50_ms, alone.p99_ms, alone.device_p50_ms)
    assert merged.executions == alone.executions == len(first) + len(second)
    assert (merged.p50_ms is None) == (not first and not second)


def test_counts_add_up_and_the_time_is_that_of_all():
    first = result([10**6] * 30, pid=11, cores=(0, 1), started_ns=0, ended_ns=2 * 10**9, late=1, busy_ns=10**9)
    second = result([10**6] * 10, pid=12, cores=(2,), started_ns=10**9, ended_ns=4 * 10**9, late=2, failed=3)
    merged = of(first, second)
    assert (merged.executions, merged.failures, merged.late) == (40, {"timed_out": 3}, 3)
    assert merged.seconds == 4.0
    assert merged.throughput_per_second == 10.0
    # A share of the time of the run, not of the process.
    assert merged.core_utilization == {0: 0.25, 1: 0.25, 2: 0.0}
    assert [(p.pid, p.cores, p.executions, p.failures) for p in merged.processes] == [
        (11, (0, 1), 30, {}),
        (12, (2,), 10, {"timed_out": 3}),
    ]


def test_a_lost_process_is_named_in_text_and_json():
    gone = LostProcess(2, 99, (4, 5, 6, 7), "was ended by SIGKILL")
    merged = of(result([10**6]), lost=[gone])
    assert "process 2 (pid 99) on NeuronCore(s) 4-7 was ended by SIGKILL" in format_summary(merged)
    assert as_dict(merged)["lost_processes"] == [
        {"number": 2, "pid": 99, "cores": (4, 5, 6, 7), "reason": "was ended by SIGKILL"}
    ]


def test_one_process_is_reported_as_before():
    alone = of(result([10**6]))
    assert alone.processes == ()
    assert not {"processes", "lost_processes"} & as_dict(alone).keys()
    assert of(result()).p99_ms is None
    assert Histogram().quantile_ns(0.5) is None
