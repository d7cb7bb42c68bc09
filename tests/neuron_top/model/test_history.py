"""The last minutes: what charts show, and the looks one can step back to."""

import tracemalloc

import pytest
from busy_world import make_busy_node
from hypothesis import given
from hypothesis import strategies as st
from worlds import make_runtime, make_snapshot

from neuron_top.model import history as history_module
from neuron_top.model.history import HISTORY_SECONDS, MAX_MOMENTS, History, moment_bytes
from neuron_top.model.moment import make_moment
from neuron_top.model.sample import make_sample


def looks(times, make=None):
    """Moments at these seconds."""
    made = make or (lambda s: make_snapshot("inf1.xlarge", s, [(1, (0, 1), "web")]))
    snapshots = [made(float(t)) for t in times]
    return [make_moment(before, after) for before, after in zip([None, *snapshots], snapshots)]


def filled(times, interval_seconds=1.0):
    history = History(interval_seconds)
    moments = looks(times)
    for moment in moments:
        history.add(moment)
    return history, moments


def utilization(sample):
    return sample.overall.utilization


def test_a_sample_tells_of_the_node_and_of_each_runtime():
    moment = looks([10, 11], lambda s: make_busy_node(s))[-1]
    sample = make_sample(moment)
    assert sample.cores[32] == pytest.approx(0.98)
    nightly = next(r for r in moment.snapshot.runtimes if r.tag == "nightly")
    assert sample.runtimes[nightly.key].utilization == pytest.approx(0.98)
    assert sample.runtimes[nightly.key].executions_per_second == pytest.approx(392, abs=2)
    assert sample.overall.device_bytes == sum(d.memory_used_bytes for d in moment.snapshot.devices)
    # Two of four cores busy for half of the time.
    assert make_sample(looks([1, 2])[-1]).overall.utilization == pytest.approx(0.25)


def test_nothing_known_is_not_zero():
    stuck = make_runtime(1.0, 9, (0,), "stuck", error="stuck")
    moment = looks([1, 2], lambda s: make_snapshot("inf1.xlarge", s, [stuck]))[-1]
    sample = make_sample(moment)
    assert sample.overall.executions_per_second is None
    assert sample.runtimes[stuck.key].p99_ns is None


def test_a_node_on_which_nothing_runs_is_idle():
    sample = make_sample(looks([1, 2], lambda s: make_snapshot("inf1.xlarge", s))[-1])
    assert (sample.overall.utilization, sample.overall.executions_per_second) == (0.0, 0.0)


def test_what_is_older_than_five_minutes_goes():
    history, moments = filled(range(1, 500))
    end = moments[-1].snapshot.time_ns
    assert len(history._samples) == pytest.approx(HISTORY_SECONDS, abs=2)
    values = history.series(utilization, end, HISTORY_SECONDS, 60)
    assert all(v == pytest.approx(0.25) for v in values[1:])
    assert history.series(utilization, end - int(400e9), 30.0, 10) == [None] * 10


def test_a_gap_stays_empty_and_a_slow_look_is_bridged():
    history, moments = filled([*range(1, 20), *range(40, 60)])
    values = history.series(utilization, moments[-1].snapshot.time_ns, 60.0, 60)
    assert values[-20:].count(None) == 0
    assert values[-39:-21].count(None) >= 17
    assert values[-58:-42].count(None) == 0


@given(st.lists(st.floats(0.05, 30), min_size=2, max_size=80), st.integers(1, 200), st.sampled_from([30.0, 300.0]))
def test_a_series_has_as_many_columns_as_asked_and_only_what_was_seen(gaps, columns, span):
    times = [1.0]
    for gap in gaps:
        times.append(times[-1] + gap)
    history, moments = filled(times)
    values = history.series(utilization, moments[-1].snapshot.time_ns, span, columns)
    assert len(values) == columns
    assert all(v is None or v == pytest.approx(0.25) for v in values)
    assert values[-1] is not None
    cores = history.core_series(moments[-1].snapshot.time_ns, span, columns)
    assert set(cores) == {0, 1}
    assert all(len(series) == columns for series in cores.values())


def test_a_curve_moves_by_whole_columns():
    history, moments = filled(range(1, 200))
    one = history.series(utilization, moments[-2].snapshot.time_ns, 60.0, 60)
    other = history.series(utilization, moments[-1].snapshot.time_ns, 60.0, 60)
    assert other[:-1] == one[1:]


def test_steps_end_at_the_first_and_the_last_look():
    history, moments = filled(range(1, 400))
    assert history.step(moments[-1], -1) is moments[-2]
    assert history.step(moments[-1], -(10**6)) is moments[-MAX_MOMENTS]
    assert history.step(moments[-5], 10**6) is moments[-1]
    assert History().step(moments[3], -1) is moments[3]


def test_a_moment_keeps_no_histogram():
    for moment in looks([1, 2], lambda s: make_busy_node(s)):
        assert all(r.total_latency is None and r.device_latency is None for r in moment.snapshot.runtimes)
        if moment.rates is not None:
            assert all(r.total_latency is None for r in moment.rates.runtimes.values())
            assert moment.overall.p50_ns == pytest.approx(2e6, rel=0.01)
            assert moment.overall.p99_ns == pytest.approx(3.5e6, rel=0.01)


def test_names_that_would_drive_the_terminal_are_made_harmless():
    evil = make_runtime(1.0, 9, (0,), "a\x1b[2Jb\n", command="x\x07y")
    moment = looks([1], lambda s: make_snapshot("inf1.xlarge", s, [evil]))[0]
    assert moment.snapshot.runtimes[0].tag == "a?[2Jb?"
    assert moment.snapshot.runtimes[0].command == "x?y"


@given(st.lists(st.floats(0.1, 9), min_size=3, max_size=60), st.integers(1, 60), st.data())
def test_columns_that_are_kept_are_those_that_would_be_computed(gaps, columns, data):
    times = [1.0]
    for gap in gaps:
        times.append(times[-1] + gap)
    moments = looks(times, lambda s: make_busy_node(s, "inf1.6xlarge"))
    kept, shown = History(), []
    for moment in moments:
        kept.add(moment)
        shown.append(moment)
        end_ns = data.draw(st.sampled_from(shown)).snapshot.time_ns
        fresh = History()
        for earlier in shown:
            fresh.add(earlier)
        assert kept.core_series(end_ns, 60.0, columns) == fresh.core_series(end_ns, 60.0, columns)


def test_what_is_kept_is_bounded_and_the_estimate_is_near_what_python_measures(monkeypatch):
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        snapshots = [make_busy_node(float(second)) for second in range(10, 41)]
        moments = [make_moment(a, b) for a, b in zip([None, *snapshots], snapshots)]
        del snapshots
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    measured = (after - before) / len(moments)
    assert 0.4 * measured <= moment_bytes(moments[-1]) <= 3 * measured
    monkeypatch.setattr(history_module, "MAX_BYTES", 10 * moment_bytes(moments[-1]))
    history = History()
    for moment in moments:
        history.add(moment)
    assert 3 <= len(history._moments) <= 6
    assert history.step(moments[-1], -100) is history._moments[0]
