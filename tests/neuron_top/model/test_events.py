"""What happened between two looks, in words."""

from busy_world import make_busy_node
from worlds import make_runtime, make_snapshot

from neuron_top.collector import Frame
from neuron_top.model.events import Severity, events_between
from neuron_top.model.moment import make_moment
from neuron_top.session import Session
from runtime_core.telemetry.snapshot import ExecutionCounts


def moments(*snapshots):
    return [make_moment(before, after) for before, after in zip([None, *snapshots], snapshots)]


def told(before, after):
    return [(e.severity, e.where, e.text) for e in events_between(before, after)]


def test_the_first_look_tells_what_is_watched_and_what_cannot_be_read():
    stuck = make_runtime(1.0, 9, (0,), "stuck", error="its page stays locked")
    (first,) = moments(make_snapshot("inf1.xlarge", 1.0, [stuck]))
    assert told(None, first) == [
        (Severity.INFO, "node", "watching test: 1 runtime"),
        (Severity.WARNING, "stuck (9)", "its page stays locked"),
    ]


def test_runtimes_come_and_go():
    one, both = make_snapshot("inf1.6xlarge", 1.0, [(1, (0,), "web")]), [(1, (0,), "web"), (2, (4, 5), "2")]
    first, second, third = moments(one, make_snapshot("inf1.6xlarge", 2.0, both), make_snapshot("inf1.6xlarge", 3.0))
    # It began within the interval: what it counted since then is news.
    assert told(first, second)[0] == (Severity.INFO, "2", "runtime started on NeuronCores 4-5")
    assert (Severity.ERROR, "2", "2 executions timed out") in told(first, second)
    assert told(second, third) == [(Severity.INFO, "web (1)", "runtime ended"), (Severity.INFO, "2", "runtime ended")]


def test_a_pid_that_is_used_again_is_another_runtime():
    old = make_runtime(1.0, 7, (0,), "web")
    new = make_runtime(2.0, 7, (0,), "web")._replace(start_ns=2)
    first, second = moments(make_snapshot("inf1.xlarge", 1.0, [old]), make_snapshot("inf1.xlarge", 2.0, [new]))
    texts = [text for _, _, text in told(first, second)]
    assert texts[:2] == ["runtime started on NeuronCores 0", "runtime ended"]


def test_executions_that_fail_are_counted_by_outcome():
    web = make_runtime(1.0, 1, (0,), "web")._replace(executions=ExecutionCounts(100))
    later = web._replace(time_ns=2 * 10**9, executions=ExecutionCounts(190, 3, 2, 1, 0, 5))
    first, second = moments(make_snapshot("inf1.xlarge", 1.0, [web]), make_snapshot("inf1.xlarge", 2.0, [later]))
    assert told(first, second) == [
        (Severity.ERROR, "web (1)", "3 executions completed with an error"),
        (Severity.WARNING, "web (1)", "2 executions completed with a numerical error"),
        (Severity.ERROR, "web (1)", "1 execution timed out"),
        (Severity.ERROR, "web (1)", "5 executions failed to queue"),
    ]


def test_ecc_events_name_their_device():
    before, after = moments(make_busy_node(49.5), make_busy_node(50.5))
    assert (Severity.WARNING, "ND3", "1 corrected ECC event in DRAM") in told(before, after)


def test_a_session_remembers_a_node_that_went_and_takes_no_look_twice():
    session = Session()
    looks = moments(make_busy_node(39.0), make_busy_node(40.5))
    for moment in (*looks, looks[-1]):
        session.take(Frame(moment))
    assert [e.text for e in session.events].count("1 execution completed with an error") == 1
    session.take(Frame(None, "no Neuron node"))
    session.take(Frame(None, "no Neuron node"))
    assert [e.text for e in session.events].count("the node is gone: no Neuron node") == 1
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
