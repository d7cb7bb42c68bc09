"""Summaries of monitors: read within limits, over connections that stay open, with metrics where there are none."""

import json

import msgspec
import pytest
from answering import JSON_VALUES, server
from hypothesis import given
from hypothesis import strategies as st
from worlds import BUSY, make_snapshot

from neuron_monitor.api.summary import Summaries
from neuron_monitor.collector import Collector
from neuron_monitor.config import default_config
from neuron_monitor.prometheus.from_node import NodeFeed
from neuron_top.remote.client import Client
from neuron_top.remote.endpoint import Endpoint
from neuron_top.remote.fleet import Fleet
from neuron_top.remote.summary import SummaryReader, read_summary, summary_path
from runtime_core.telemetry import NodeError, Severity

BASE = {
    "time_unix_seconds": 100.0, "error": "", "instance_info": {"instance_id": "i-1", "instance_type": "inf1.xlarge"},
    "neuroncore_utilization_ratio": [0.5, None, 0.0, 1], "problems": [], "neuroncore_owned_count": 3,
    "executions_total": 1000, "executions_failed_total": 1, "execution_latency_p99_seconds": 0.02,
}  # fmt: skip


def encoded(**changes):
    return json.dumps(BASE | changes).encode()


def row(reader, age_seconds=0, **changes):
    return reader.row(read_summary(encoded(**changes)), age_seconds, 7.0)


def test_rates_come_from_two_summaries_of_different_reports():
    reader = SummaryReader("a:1", str)
    first = row(reader)
    assert (first.utilization, first.cores, first.p99_ns) == (0.5, (0.5, None, 0.0, 1.0), 20_000_000)
    assert (first.executions_per_second, first.failed) == (None, None)
    later = row(reader, time_unix_seconds=104.0, executions_total=1400, executions_failed_total=3)
    assert (later.executions_per_second, later.failed) == (100.0, 2)
    again = row(reader, time_unix_seconds=104.0, executions_total=1400, executions_failed_total=3)
    assert (again.executions_per_second, again.failed) == (100.0, 2), "the same report is no news"
    restarted = row(reader, time_unix_seconds=106.0, executions_total=50, executions_failed_total=0)
    assert (restarted.executions_per_second, restarted.failed) == (25.0, 0)
    assert row(reader, time_unix_seconds=1.0).executions_per_second is None, "a clock that was set back"


def test_the_state_is_the_worst_problem():
    reader = SummaryReader("a:1", lambda text: text.replace("\x1b", "?"))
    problems = [{"severity": "critical", "text": "nc3 \x1bhung"}, {"severity": "warning", "text": "more"}]
    found = row(reader, problems=problems)
    assert (found.state, found.grade) == ("nc3 ?hung +1", Severity.CRITICAL)
    assert row(reader).state == "ok"
    unknown = row(reader, problems=[{"severity": "of a later release", "text": "odd"}])
    assert unknown.grade is Severity.CRITICAL, "what is not known is shown as bad, not as good"


def test_old_figures_are_not_shown_as_those_of_now():
    reader = SummaryReader("a:1", str)
    with pytest.raises(NodeError, match="can't read its node"):
        row(reader, error="no driver")
    with pytest.raises(NodeError, match="is 61 s old"):
        row(reader, age_seconds=61)


def test_what_neuron_monitor_writes_is_read(replay_summary):
    found = read_summary(msgspec.json.encode(replay_summary))
    made = SummaryReader("a:1", str).row(found, 0, 1.0)
    assert (made.instance_type, made.zone, made.runtimes, made.owned) == ("inf1.6xlarge", "us-east-1a", 2, 3)
    assert made.device_total_bytes == 4 << 33
    missing = set(type(found).__struct_fields__) - set(type(replay_summary).__struct_fields__)
    assert not missing, "fields that no monitor writes"


@pytest.fixture
def replay_summary():
    class Two:
        name = "test"
        shown = iter((make_snapshot(seconds=1, runtimes=BUSY), make_snapshot(seconds=6, runtimes=BUSY)))

        def snapshot(self, *, host):
            return next(self.shown)

    look = Collector(Two(), default_config(), 0).collect(5 * 10**9)
    return Summaries().take(NodeFeed().take(look), 1.0)


@given(st.dictionaries(st.sampled_from(sorted(BASE)), JSON_VALUES))
def test_any_json_is_a_summary_or_is_not(changes):
    found = read_summary(json.dumps(BASE | changes).encode())
    if found is not None:
        reader = SummaryReader("a:1", str)
        for _ in range(2):
            try:
                reader.row(found, 0, 1.0)
            except NodeError:
                assert found.error


@given(st.binary(max_size=200))
def test_any_bytes_are_none(body):
    assert read_summary(body) is None


def test_what_is_too_large_is_none():
    assert read_summary(encoded(neuroncore_utilization_ratio=[0.5] * 4096)) is not None
    assert read_summary(encoded(neuroncore_utilization_ratio=[0.5] * 4097)) is None
    assert read_summary(encoded(error="x" * (1 << 20))) is None
    assert read_summary(b"[" * 100_000) is None


def test_the_path_of_the_summary_is_beside_that_of_the_metrics():
    assert summary_path("/metrics") == "/api/v1/summary"
    assert summary_path("/nodes/web-0001/metrics") == "/nodes/web-0001/api/v1/summary"
    assert summary_path("/metrics?all=1") is None
    assert summary_path("/federate") is None


def test_a_connection_serves_many_requests_and_is_opened_again_when_it_was_closed():
    with server(lambda path: (200, "application/json", b"{}")) as serving:
        client, endpoint = Client(), Endpoint("127.0.0.1", serving.server_port)
        for _ in range(5):
            assert client.get(endpoint, "/x", "*/*", 5).body == b"{}"
        assert serving.connections == 1
        (_, kept) = client._idle[max(client._idle)]
        kept.sock.shutdown(2)
        assert client.get(endpoint, "/x", "*/*", 5).body == b"{}"
        assert serving.connections == 2
        client.close()


def test_an_answer_that_ends_too_soon_is_an_error():
    def respond(path):
        return 200, "application/json", b""

    with server(respond) as serving:
        original = serving.RequestHandlerClass.send_header
        serving.RequestHandlerClass.send_header = lambda self, name, value: original(
            self, name, "10" if name == "Content-Length" else value
        )
        serving.RequestHandlerClass.protocol_version = "HTTP/1.0"
        with pytest.raises(NodeError, match="does not speak HTTP"):
            Client().get(Endpoint("127.0.0.1", serving.server_port), "/x", "*/*", 5)


@pytest.mark.parametrize(
    "refusal", [(404, "text/plain", b"not found"), (200, "text/plain", b"odd 1\n"), (200, "application/json", b"[]")]
)
def test_a_monitor_without_a_summary_is_asked_for_its_metrics(refusal, wait):
    page = b'neuron_hardware_info{neuron_device_count="1",neuroncore_per_device_count="4"} 1\n'

    def respond(path):
        return (200, "text/plain", page) if path == "/metrics" else refusal

    with server(respond) as serving:
        fleet = Fleet([Endpoint("127.0.0.1", serving.server_port)], 0.05)
        fleet.start()
        try:
            wait(lambda: serving.paths.count("/metrics") >= 3)
            wait(lambda: not fleet.rows()[0].problem)
        finally:
            fleet.stop()
        assert serving.paths.count("/api/v1/summary") == 1, "it is not asked for each time"
        assert len(fleet.rows()[0].cores) == 4


def test_a_monitor_with_a_summary_is_asked_for_nothing_else(wait):
    with server(lambda path: (200, "application/json", encoded())) as serving:
        fleet = Fleet([Endpoint("127.0.0.1", serving.server_port, name="web-0")], 0.05)
        fleet.start()
        try:
            wait(lambda: len(serving.paths) >= 3)
            wait(lambda: fleet.rows()[0].utilization == 0.5)
        finally:
            fleet.stop()
        assert set(serving.paths) == {"/api/v1/summary"}
        assert fleet.rows()[0].endpoint == "web-0"
