"""What happened between two looks, in words."""

from busy_world import make_busy_node
from hypothesis import given
from hypothesis import strategies as st
from worlds import make_runtime, make_snapshot

from neuron_top.collector import Frame
from neuron_top.model.events import MAX_EVENTS, Event, EventLog, Severity, events_between
from neuron_top.model.moment import make_moment
from neuron_top.session import Session
from runtime_core.telemetry.snapshot import ErrorCounts, ExecutionCounts


def moments(*snapshots):
    return [make_moment(before, after) for before, after in zip([None, *snapshots], snapshots)]


def told(before, after):
    return [(e.severity, e.where, e.words, e.times) for e in events_between(before, after)]


def test_the_first_look_tells_what_is_watched_and_what_cannot_be_read():
    stuck = make_runtime(1.0, 9, (0,), "stuck", error="its page stays locked")
    (first,) = moments(make_snapshot("inf1.xlarge", 1.0, [stuck]))
    assert told(None, first) == [
        (Severity.INFO, "node", "watching test: 1 runtime", 1),
        (Severity.WARNING, "stuck (9)", "its page stays locked", 1),
    ]


def test_runtimes_come_and_go():
    one, both = make_snapshot("inf1.6xlarge", 1.0, [(1, (0,), "web")]), [(1, (0,), "web"), (2, (4, 5), "2")]
    first, second, third = moments(one, make_snapshot("inf1.6xlarge", 2.0, both), make_snapshot("inf1.6xlarge", 3.0))
    # It began within the interval: what it counted since then is news.
    assert told(first, second)[0] == (Severity.INFO, "2", "runtime started on NeuronCores 4-5", 1)
    assert (Severity.ERROR, "2", "executions timed out on nc4-5", 2) in told(first, second)
    assert told(second, third) == [
        (Severity.INFO, "web (1)", "runtime ended", 1),
        (Severity.INFO, "2", "runtime ended", 1),
    ]


def test_a_pid_that_is_used_again_is_another_runtime():
    old = make_runtime(1.0, 7, (0,), "web")
    new = make_runtime(2.0, 7, (0,), "web")._replace(start_ns=2)
    first, second = moments(make_snapshot("inf1.xlarge", 1.0, [old]), make_snapshot("inf1.xlarge", 2.0, [new]))
    texts = [text for _, _, text, _ in told(first, second)]
    assert texts[:2] == ["runtime started on NeuronCores 0", "runtime ended"]


def test_executions_that_fail_are_counted_by_outcome():
    web = make_runtime(1.0, 1, (0,), "web")._replace(executions=ExecutionCounts(100), errors=ErrorCounts())
    counts = ExecutionCounts(190, 3, 2, 1, 0, 5)
    later = web._replace(time_ns=2 * 10**9, executions=counts, errors=ErrorCounts(2, 2, 5, 0, 0, 2))
    first, second = moments(make_snapshot("inf1.xlarge", 1.0, [web]), make_snapshot("inf1.xlarge", 2.0, [later]))
    assert told(first, second) == [
        (Severity.ERROR, "web (1)", "executions failed (generic, hardware) on nc0", 3),
        (Severity.WARNING, "web (1)", "executions had numerical errors on nc0", 2),
        (Severity.ERROR, "web (1)", "execution timed out on nc0", 1),
        (Severity.ERROR, "web (1)", "executions failed to queue (transient) on nc0", 5),
    ]


def test_ecc_events_name_their_device():
    before, after = moments(make_busy_node(49.5), make_busy_node(50.5))
    assert (Severity.WARNING, "ND3", "ECC corrected in DRAM", 1) in told(before, after)


def test_a_session_remembers_a_node_that_went_and_takes_no_look_twice():
    session = Session()
    looks = moments(make_busy_node(39.0), make_busy_node(40.5))
    for moment in (*looks, looks[-1]):
        session.take(Frame(moment))
    assert [e.words for e in session.events.shown()].count("execution failed (generic) on nc32") == 1
    session.take(Frame(None, "no Neuron node"))
    session.take(Frame(None, "no Neuron node"))
    assert [e.words for e in session.events.shown()].count("the node is gone: no Neuron node") == 1
    assert (session.moment, session.problem) == (None, "no Neuron node")


def test_what_is_on_show_stays_while_it_is_paused():
    session = Session()
    first, second = moments(make_busy_node(10.0), make_busy_node(11.0))
    session.take(Frame(first))
    session.toggle_pause()
    session.take(Frame(second))
    assert session.moment is first
    assert session.pause_text.endswith("1 s back")
    session.take(Frame(None, "gone"))
    assert session.moment is first
    session.toggle_pause()
    assert session.moment is None


SECOND = 10**9


def failed(second, where="web", times=1):
    return Event(second * SECOND, Severity.ERROR, where, "execution{s} failed", times, counted=True)


def test_what_repeats_is_one_event_with_its_count_and_span():
    log = EventLog()
    for second in range(28, 57):
        log.extend((failed(second, times=2), failed(second, "other")))
    log.extend((Event(60 * SECOND, Severity.ERROR, "ND0", "ECC uncorrected in DRAM", counted=True),))
    web, other, ecc = log.shown()
    assert (web.times, web.words, web.wall_time_ns, web.last_ns) == (58, "executions failed", 28 * SECOND, 56 * SECOND)
    assert (other.times, ecc.times, ecc.words) == (29, 1, "ECC uncorrected in DRAM")
    assert log.severe == 3
    assert web.span == "00:00:28-00:00:56"


def test_an_earlier_look_shows_what_was_known_then():
    log = EventLog()
    log.extend(tuple(failed(second) for second in range(10, 20)))
    (then,) = log.shown(14 * SECOND)
    assert (then.times, then.last_ns) == (5, 14 * SECOND)
    assert log.shown(5 * SECOND) == []


def test_what_happens_again_much_later_is_another_event():
    log = EventLog()
    log.extend((failed(10), failed(200)))
    assert [e.times for e in log.shown()] == [1, 1]


def test_the_log_is_bounded_however_much_happens():
    log = EventLog()
    for second in range(3 * MAX_EVENTS):
        log.extend((failed(second, f"app{second}"),))
    assert len(log.shown()) == MAX_EVENTS
    assert len(log._open) <= 2 * MAX_EVENTS + 1
    many = EventLog()
    many.extend(tuple(failed(second, times=3) for second in range(5000)))
    (event,) = many.shown()
    assert event.times == 15000


@given(st.lists(st.tuples(st.sampled_from(["web", "db"]), st.integers(1, 3)), max_size=30))
def test_the_latest_events_are_those_of_any_later_time(happened):
    log = EventLog()
    for second, (where, times) in enumerate(happened):
        log.extend((failed(second, where, times),))
        assert log.shown() == log.shown(10**18)
