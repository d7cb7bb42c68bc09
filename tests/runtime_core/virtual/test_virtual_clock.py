"""Time moves from event to event, in order, and equal programs have equal histories."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_core.virtual.clock import VirtualClock


def ticker(log, name, start_ns, period_ns, times):
    now_ns = yield start_ns
    for _ in range(times):
        log.append((now_ns, name))
        now_ns = yield now_ns + period_ns


def test_processes_are_resumed_at_the_times_they_ask_for():
    clock, log = VirtualClock(), []
    clock.spawn(ticker(log, "a", 5, 10, 3))
    clock.spawn(ticker(log, "b", 0, 12, 2))
    clock.run(14)
    assert log == [(0, "b"), (5, "a"), (12, "b")]
    assert clock.now_ns() == 14
    clock.run(100)
    assert log[3:] == [(15, "a"), (25, "a")]
    assert clock.now_ns() == 100


def test_at_equal_times_the_older_process_goes_first_and_clients_before_the_node():
    clock, log = VirtualClock(), []
    clock.call_at(10, lambda now_ns: log.append((now_ns, "fault")))
    for name in "ab":
        clock.spawn(ticker(log, name, 0, 10, 2))
    clock.spawn(ticker(log, "client", 0, 10, 2), client=True)
    clock.run(10)
    assert log == [(0, "client"), (0, "a"), (0, "b"), (10, "client"), (10, "fault"), (10, "a"), (10, "b")]


def test_actions_are_called_once_or_again_and_again_and_may_spawn_more():
    clock, log = VirtualClock(1000), []
    clock.call_at(5, lambda now_ns: clock.spawn(ticker(log, "late", 0, 1, 1)))
    clock.call_every(100, lambda now_ns: log.append((now_ns, "probe")))
    clock.call_every(1000, lambda now_ns: log.append((now_ns, "first")), first_ns=1050)
    clock.run(1250)
    assert log == [(1000, "late"), (1050, "first"), (1100, "probe"), (1200, "probe")]
    with pytest.raises(ValueError, match="period"):
        clock.call_every(0, print)


def test_the_program_around_the_processes_sleeps_and_they_run_meanwhile():
    clock, log = VirtualClock(), []
    clock.spawn(ticker(log, "a", 0, 10, 100))
    clock.sleep_until(25)
    assert len(log) == 3
    clock.sleep_until(20)
    assert clock.now_ns() == 25


def test_what_a_process_must_not_do_is_refused():
    clock = VirtualClock()

    def backwards():
        now_ns = yield 10
        yield now_ns - 1

    def sleeper():
        yield 20
        clock.sleep_until(30)

    clock.spawn(backwards())
    with pytest.raises(ValueError, match="has passed"):
        clock.run(15)
    clock = VirtualClock()
    clock.spawn(sleeper())
    with pytest.raises(RuntimeError, match="yield"):
        clock.run(50)


def test_what_a_process_raises_reaches_the_caller_and_the_clock_can_go_on():
    clock, log = VirtualClock(), []

    def broken():
        yield 10
        raise LookupError("broken")

    clock.spawn(broken())
    clock.spawn(ticker(log, "a", 0, 10, 5))
    with pytest.raises(LookupError):
        clock.run(100)
    assert clock.now_ns() == 10


plans = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9), st.integers(1, 20), st.integers(0, 3)), max_size=12)


@given(plans)
def test_time_never_goes_back_and_nothing_is_lost(plan):
    clock, log = VirtualClock(), []
    for name, (start, period, times, group) in enumerate(plan):
        clock.spawn(ticker(log, name, start, period, times), client=group > 1)
    clock.run(10**6)
    assert len(log) == sum(times for _, _, times, _ in plan)
    for group in range(4):
        times = [at for at, name in log if plan[name][3] == group]
        assert times == sorted(times)
