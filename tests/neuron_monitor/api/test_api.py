"""The last report, its summary and the stream of reports over HTTP."""

import gzip
import http.client
import json
import socket
import time
from contextlib import closing

import bcrypt
import msgspec
import pytest
from worlds import BUSY, make_runtime, make_snapshot

from neuron_monitor.api.events import Events
from neuron_monitor.api.summary import Summaries, Summary
from neuron_monitor.config import parse_config
from neuron_monitor.prometheus.from_node import NodeFeed
from neuron_monitor.prometheus.from_stream import StreamFeed
from neuron_monitor.prometheus.http import MetricsServer
from neuron_monitor.prometheus.page import Page
from neuron_monitor.wire import encode_report


@pytest.fixture
def serve():
    servers = []

    def start(page, **options):
        servers.append(MetricsServer(page, "127.0.0.1:0", **{"stale_seconds": 60, **options}))
        return servers[-1].port

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def busy(looks):
    """Two snapshots of a node with two runtimes, and the page and feed that show them."""
    found = looks(*(make_snapshot(seconds=s, runtimes=BUSY) for s in (1, 6, 11)))
    page, feed = Page(), NodeFeed()

    def show(number):
        page.show(feed.take(found[number]), time.monotonic(), found[number].report, found[number].compat)
        return found[number].report

    return page, show


def test_the_report_is_the_line_of_the_stream(busy, serve, get, fits_schema):
    page, show = busy
    port = serve(page)
    url = f"http://127.0.0.1:{port}/api/v1/report"
    status, headers, body = get(url)
    assert (status, headers["Retry-After"]) == (503, "5")
    line = encode_report(show(0))
    status, headers, body = get(url)
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, "application/json", "no-cache")
    assert body == line
    fits_schema(json.loads(body))
    status, headers, packed = get(url, Accept_Encoding="gzip")
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == line
    assert get(f"http://127.0.0.1:{port}/api/v1/nothing")[0] == 404


def test_an_unchanged_document_is_answered_without_a_body(busy, serve, get):
    page, show = busy
    port = serve(page)
    show(0)
    for path in ("report", "summary"):
        url = f"http://127.0.0.1:{port}/api/v1/{path}"
        tag = get(url, Accept_Encoding="gzip")[1]["ETag"]
        status, headers, body = get(url, If_None_Match=f'"other", {tag}')
        assert (status, body, headers["ETag"]) == (304, b"", tag)
        assert get(url, If_None_Match='"other"')[0] == 200
    show(1)
    assert get(url, If_None_Match=tag)[0] == 200


def test_groups_that_were_not_due_stay_as_last_reported(looks, serve, get):
    config = parse_config(
        b"""{"neuron_runtimes": [{"metrics": [{"type": "neuroncore_counters"},
        {"type": "memory_used", "period": "10s"}]}], "period": "5s",
        "system_metrics": [{"type": "memory_info"}, {"type": "neuron_hw_counters", "period": "10s"}]}""",
        "test",
    )
    snapshots = [make_snapshot(seconds=s, runtimes=BUSY) for s in (1, 6, 11)]
    last = make_snapshot(seconds=16, runtimes=BUSY[:1])
    page, feed = Page(), NodeFeed()
    shown = []
    for look in looks(*snapshots, last, config=config):
        page.show(feed.take(look), 0.0, look.report)
        shown.append((look.report, json.loads(page.documents.shown.report.plain())))
    line, merged = shown[2]
    assert json.loads(encode_report(line))["system_data"].keys() == {"memory_info"}
    assert merged["system_data"].keys() == {"memory_info", "neuron_hw_counters"}
    (entry,) = merged["neuron_runtime_data"]
    assert entry["pid"] == 101, "a runtime that ended is not reported"
    assert entry["report"].keys() == {"neuroncore_counters", "memory_used"}
    # Later reports do not change earlier ones.
    assert len(shown[1][1]["neuron_runtime_data"]) == 2


def test_a_stream_has_reports_and_no_summary(looks, serve, get):
    page, feed = Page(), StreamFeed()
    for look in looks(*(make_snapshot(seconds=s, runtimes=BUSY) for s in (1, 6))):
        page.show(feed.take(look.report), 0.0, look.report)
    port = serve(page)
    assert get(f"http://127.0.0.1:{port}/api/v1/report")[2] == encode_report(look.report)
    status, _, body = get(f"http://127.0.0.1:{port}/api/v1/summary")
    assert (status, body) == (404, b"a stream of reports does not contain it: try /api/v1/report\n")


def test_the_summary(busy, serve, get):
    page, show = busy
    port = serve(page)
    show(0)
    first = msgspec.json.decode(get(f"http://127.0.0.1:{port}/api/v1/summary")[2], type=Summary)
    show(1)
    later = msgspec.json.decode(get(f"http://127.0.0.1:{port}/api/v1/summary")[2], type=Summary)
    assert first.instance_info.instance_id == "i-0123456789abcdef0"
    assert (first.neuron_device_count, first.neuron_runtime_count, first.neuroncore_owned_count) == (4, 2, 3)
    assert first.neuroncore_utilization_ratio == [0.5, 0.5, 0, 0, 0.5, *[0] * 11]
    assert (first.executions_total, later.executions_total, later.executions_failed_total) == (1206, 2206, 6)
    assert later.execution_latency_p99_seconds == pytest.approx(0.002, rel=0.01)
    assert (later.ecc_corrected_total, later.ecc_uncorrected_total) == (4, 0)
    assert later.neuron_device_memory_total_bytes == 4 << 33
    assert later.problems == []
    assert abs(later.time_unix_seconds - time.time()) < 60


def test_sums_of_executions_never_go_back(looks):
    feed, summaries = NodeFeed(), Summaries()
    alive = [BUSY, BUSY, BUSY[:1], (*BUSY[:1], (103, (5,), "batch"))]
    unreadable = make_snapshot(seconds=26, runtimes=[make_runtime(26, *BUSY[0])._replace(error="odd", executions=None)])
    snapshots = [make_snapshot(seconds=1 + 5 * n, runtimes=runtimes) for n, runtimes in enumerate([BUSY, *alive])]
    totals = []
    for look in looks(*snapshots, unreadable):
        totals.append(summaries.take(feed.take(look), 0.0).executions_total)
    assert totals == sorted(totals)
    # A runtime executes 100 per second, 3 of all fail. The one that ended keeps its own; a new one brings 2,103.
    assert totals == [1206, 2206, 2706, 3206 + 2103, 3206 + 2103]


def test_a_core_whose_owner_cannot_be_read_is_not_idle(looks):
    feed, summaries = NodeFeed(), Summaries()
    odd = make_runtime(6, *BUSY[1])._replace(error="odd")
    (look,) = looks(
        make_snapshot(seconds=1, runtimes=BUSY), make_snapshot(seconds=6, runtimes=[make_runtime(6, *BUSY[0]), odd])
    )
    busy = summaries.take(feed.take(look), 0.0).neuroncore_utilization_ratio
    assert busy == [0.5, 0.5, 0, 0, *[None] * 4, *[0] * 8], "of the device of core 4 nothing is known"


def read_event(stream):
    """The fields of the next event, without comments."""
    fields = {}
    while line := stream.readline().decode():
        if line == "\n":
            if "data" in fields:
                return fields
        else:
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name] = value
    raise EOFError


def test_events_follow_reports(busy, serve):
    page, show = busy
    port = serve(page)
    show(0)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", "/api/v1/events")
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Content-Type")) == (200, "text/event-stream")
        event = read_event(answer)
        assert (event["event"], event["id"]) == ("report", "1")
        line = encode_report(show(1))
        event = read_event(answer)
        assert (event["id"], event["data"].encode()) == ("2", line)


def test_events_have_a_heartbeat_and_a_bound(busy, serve, monkeypatch):
    monkeypatch.setattr(
        "neuron_monitor.prometheus.http.Events", lambda documents: Events(documents, most=2, heartbeat=0.02)
    )
    page, _ = busy
    port = serve(page)

    def connect():
        client = socket.create_connection(("127.0.0.1", port), timeout=10)
        client.sendall(b"GET /api/v1/events HTTP/1.1\r\n\r\n")
        return client, client.makefile("rb")

    first, second = connect(), connect()
    for _, stream in (first, second):
        while stream.readline() != b": heartbeat\n":
            pass
    third = connect()
    assert third[1].readline() == b"HTTP/1.1 503 Service Unavailable\r\n"
    first[0].shutdown(socket.SHUT_RDWR)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        _, stream = connect()
        if stream.readline() == b"HTTP/1.1 200 OK\r\n":
            break
        time.sleep(0.01)
    else:
        raise AssertionError("the place of a client that left stays taken")


def test_the_rules_of_access_hold_for_the_api_too(busy, get, tmp_path, serve):
    from neuron_monitor.prometheus.access import FileAccess

    page, show = busy
    show(0)
    path = tmp_path / "web.yml"
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    path.write_text(f"basic_auth_users: {{reader: '{hashed}'}}\n")
    port = serve(page, access=FileAccess(path))
    for name in ("report", "summary", "events", "other"):
        assert get(f"http://127.0.0.1:{port}/api/v1/{name}")[0] == 401
