"""The scrape server with clients of every kind."""

import gzip
import http.client
import socket
import subprocess
import sys
import time
import zlib
from contextlib import closing, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import BUSY, make_snapshot

from neuron_monitor.prometheus.address import parse_address
from neuron_monitor.prometheus.clients import Limits
from neuron_monitor.prometheus.connections import Connections
from neuron_monitor.prometheus.from_node import NodeFeed
from neuron_monitor.prometheus.http import MetricsServer
from neuron_monitor.prometheus.page import Page
from neuron_monitor.prometheus.request import accepts_gzip, parse_head, preferred
from runtime_core.telemetry import NeuronError, UsageError


@pytest.fixture
def page(looks):
    (look,) = looks(make_snapshot(seconds=1, runtimes=BUSY), make_snapshot(seconds=6, runtimes=BUSY))
    made = Page()
    made.show(NodeFeed().take(look), time.monotonic())
    return made


@pytest.fixture
def serve():
    servers = []

    def start(page, **options):
        server = MetricsServer(page, "127.0.0.1:0", **{"stale_seconds": 60, **options})
        servers.append(server)
        return server.port

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def port(page, serve):
    return serve(page)


def talk(port, data, size=1 << 20):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(data)
        parts = []
        while part := client.recv(size):
            parts.append(part)
    return b"".join(parts)


def test_metrics_in_each_format_and_encoding(port, get):
    url = f"http://127.0.0.1:{port}/metrics"
    status, headers, text = get(url)
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b"# TYPE execution_status_total counter" in text
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"
    status, headers, text = get(url, Accept=accept, Accept_Encoding="gzip")
    assert (headers["Content-Encoding"], headers["Content-Type"].split(";")[0]) == (
        "gzip",
        "application/openmetrics-text",
    )
    text = gzip.decompress(text)
    assert b"# TYPE execution_status counter" in text
    assert text.endswith(b"# EOF\n")
    assert text.count(b"# EOF") == 1


def test_pages_for_people_and_probes(port, get):
    base = f"http://127.0.0.1:{port}"
    assert get(f"{base}/-/healthy")[0] == 200
    assert get(f"{base}/-/ready")[0] == 200
    status, _, landing = get(f"{base}/")
    assert status == 200
    assert b'href="/metrics"' in landing
    assert get(f"{base}/none")[0] == 404
    assert get(f"{base}/metrics?x=1")[0] == 200


def test_it_is_not_ready_before_the_first_report_nor_when_that_is_old(serve, page, get):
    empty = serve(Page())
    assert get(f"http://127.0.0.1:{empty}/-/ready")[0] == 503
    assert get(f"http://127.0.0.1:{empty}/-/healthy")[0] == 200
    assert b"neuron_monitor_build_info" in get(f"http://127.0.0.1:{empty}/metrics")[2]
    assert b"report_age_seconds " not in get(f"http://127.0.0.1:{empty}/metrics")[2]
    page.interval_seconds = 0.0
    old = serve(page, stale_seconds=0.0)
    assert get(f"http://127.0.0.1:{old}/-/ready")[0] == 503
    # If reports are an hour apart, a report from a minute ago is current.
    page.interval_seconds = 3600.0
    assert get(f"http://127.0.0.1:{old}/-/ready")[0] == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST /metrics HTTP/1.1\r\nConnection: close\r\n\r\n", b"405"),
        (b"GET /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", b"400"),
        (b"GET metrics HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/9\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"GET / HTTP/1.0\r\n\r\n", b"200"),
    ],
)
def test_odd_requests(port, request_bytes, status):
    assert talk(port, request_bytes).split(b" ", 2)[1] == status


def test_head_has_no_body(port):
    answer = talk(port, b"HEAD /metrics HTTP/1.0\r\n\r\n")
    assert b"Content-Length: " in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_connection_serves_many_requests_also_sent_at_once(port):
    ask = b"GET /-/healthy HTTP/1.1\r\n\r\n"
    assert talk(port, ask * 3 + ask.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).count(b"200 OK") == 4


def test_a_head_that_never_ends_is_cut_off(port):
    with suppress(ConnectionError):
        assert talk(port, b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000) == b""


def test_a_client_that_says_nothing_is_let_go(serve, page):
    with suppress(ConnectionError):
        assert talk(serve(page, limits=Limits(head_seconds=0.1)), b"GET / HT") == b""


def test_a_client_that_never_reads_is_let_go_and_others_are_served_meanwhile(serve, page, get, wait):
    port = serve(page, limits=Limits(send_seconds=0.3))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n" * 600)
        assert get(f"http://127.0.0.1:{port}/metrics")[0] == 200

        def cut():
            try:
                client.send(b"x")
            except OSError:
                return True
            return False

        wait(cut)


def test_idle_clients_cannot_keep_a_scrape_out(serve, page, get):
    port = serve(page, limits=Limits(connections=5))
    idle = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(20)]
    try:
        for _ in range(10):
            assert get(f"http://127.0.0.1:{port}/-/healthy")[0] == 200
    finally:
        for client in idle:
            client.close()


def test_scrapes_are_counted(port, get):
    url = f"http://127.0.0.1:{port}/metrics"
    get(url)
    get(url)
    assert b"neuron_monitor_scrape_duration_seconds_count 2\n" in get(url)[2]


def test_an_address_that_is_taken(port, page):
    with pytest.raises(NeuronError, match=rf"cannot listen on 127\.0\.0\.1:{port}"):
        MetricsServer(page, f"127.0.0.1:{port}", stale_seconds=1)


@pytest.mark.parametrize(
    ("text", "address"),
    [(":8000", (None, 8000)), ("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:80", ("::1", 80)), ("host:1", ("host", 1))],
)
def test_addresses(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "8000", "host", "host:", "host:x", "host:70000", "::1:80", "[x]:80", "host:٣"])
def test_what_is_no_address(text):
    with pytest.raises(UsageError, match=r"address|brackets"):
        parse_address(text)


@pytest.mark.parametrize(
    ("header", "yes"),
    [
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("", False),
        ("gzipped", False),
        ("gzip;q=x", False),
    ],
)
def test_negotiation(header, yes):
    assert accepts_gzip(header) is yes


TEXT, OPENMETRICS = ("text/plain", {"version": "0.0.4"}), ("application/openmetrics-text", {"version": "1.0.0"})


@pytest.mark.parametrize(
    ("header", "offer"),
    [
        ("", None),
        ("*/*", None),
        ("text/plain;q=0.5, application/openmetrics-text;q=0.4", 0),
        ("text/plain;q=0.4, application/openmetrics-text", 1),
        ("application/openmetrics-text;version=0.0.1, text/plain;version=0.0.4;q=0.5", 0),
        # The header of Prometheus 2.42.
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            1,
        ),
        ("application/openmetrics-text; version=1.0.0; escaping=underscores", 1),
        ("application/openmetrics-text;q=nan", None),
    ],
)
def test_the_format_is_the_one_that_a_client_likes_best(header, offer):
    assert preferred(header, (TEXT, OPENMETRICS)) == offer


@given(st.text(max_size=100))
def test_any_header_is_understood_or_left_out(header):
    assert preferred(header, (TEXT, OPENMETRICS)) in (None, 0, 1)
    assert accepts_gzip(header) in (True, False)


def test_a_zipped_page_is_a_single_gzip_member(port, get):
    _, _, body = get(f"http://127.0.0.1:{port}/metrics", Accept_Encoding="gzip")
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert b"neuron_monitor_build_info" in stream.decompress(body)
    assert (stream.eof, stream.unused_data) == (True, b"")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_none(data):
    request = parse_head(data)
    assert request is None or request.path.startswith("/")


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 0\r\nContent-Length: 5",
        "Content-Length: 0\r\nContent-Length: 0",
        "Content-Length: 0, 5",
        "X: a\nTransfer-Encoding: chunked",
        "Transfer-Encoding\n: chunked",
        "Transfer-Encoding: \nchunked",
        "Transfer-Encoding : chunked",
        " Transfer-Encoding: chunked",
        "X: a\r\n Transfer-Encoding: chunked",
        "X: a\rContent-Length: 5",
        "X: a\0b",
        "Authorization: Basic YQ==\r\nAuthorization: Basic Yg==",
        "Host: a\r\nHost: b",
    ],
)
def test_a_request_that_a_proxy_may_read_otherwise_is_refused(lines):
    assert parse_head(f"GET /metrics HTTP/1.1\r\n{lines}\r\n\r\n".encode()) is None


def test_headers_that_may_come_twice_are_joined():
    head = b"GET /metrics HTTP/1.1\r\nAccept: a/b\r\nAccept:\tc/d \r\n\r\n"
    assert parse_head(head).headers == {"accept": "a/b, c/d"}


def connect(port):
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.setblocking(False)
    return client


def test_quick_connections_never_pass_the_limit(serve, page, get, monkeypatch):
    """The maximum number of sockets that the server has open at a time."""
    opened, most = set(), [0]
    connected = MetricsServer._connected

    async def counted(self, client):
        opened.add(client)
        most[0] = max(most[0], sum(other.fileno() >= 0 for other in opened))
        await connected(self, client)

    monkeypatch.setattr(MetricsServer, "_connected", counted)
    port = serve(page, limits=Limits(connections=16))
    clients = [connect(port) for _ in range(500)]
    try:
        assert get(f"http://127.0.0.1:{port}/-/healthy")[0] == 200
        evicted = get(f"http://127.0.0.1:{port}/metrics")[2]
    finally:
        for client in clients:
            client.close()
    assert most[0] <= 17  # one is accepted while the evicted transport closes
    assert page.evicted_connections >= 400
    assert b"neuron_monitor_evicted_connections_total" in evicted


def test_a_connection_that_was_scraped_outlives_a_flood(serve, page, wait):
    port = serve(page, limits=Limits(connections=16))
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as prometheus:
        prometheus.request("GET", "/metrics")
        assert prometheus.getresponse().read()
        own_end = prometheus.sock.getsockname()
        flood = [connect(port) for _ in range(200)]
        for client in flood[::2]:
            with suppress(OSError):
                client.send(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            wait(lambda: page.evicted_connections >= 180)
            prometheus.request("GET", "/metrics")
            assert prometheus.getresponse().read()
            assert prometheus.sock.getsockname() == own_end  # http.client would silently connect again
            # Scraped connections occupy at most half of the places, so that other clients can connect.
            for _ in range(40):
                client = connect(port)
                client.send(request)
                flood.append(client)
            assert b"200 OK" in talk(port, b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        finally:
            for client in flood:
                client.close()


def test_the_host_with_most_connections_loses_one():
    connections = Connections(8)
    connections.add("first", "10.0.0.1")
    for task in ("second", "third"):
        connections.add(task, "10.0.0.2")
    assert connections.next_to_close() == "second"
    connections.touch("second")
    assert connections.next_to_close() == "third"
    connections.touch("third", scraped=True)
    connections.drop("first")
    assert connections.next_to_close() == "second"
    connections.drop("second")
    assert connections.next_to_close() == "third"


def test_without_descriptors_the_quiet_are_closed_and_scrapes_go_on(tmp_path):
    """Run in a separate process, whose other parts use all descriptors."""
    program = """
import os, resource, sys, time
from neuron_monitor.prometheus.clients import Limits
from neuron_monitor.prometheus.http import MetricsServer
from neuron_monitor.prometheus.page import Page
server = MetricsServer(Page(), "127.0.0.1:0", stale_seconds=60, limits=Limits(connections=1000))
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
print(server.port, flush=True)
taken = []
sys.stdin.readline()
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    print(len(taken), flush=True)
sys.stdin.readline()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        port = int(process.stdout.readline())
        quiet = [connect(port) for _ in range(10)]
        assert b"healthy" in talk(port, b"GET /-/healthy HTTP/1.0\r\n\r\n")
        process.stdin.write("take all\n")
        process.stdin.flush()
        process.stdout.readline()
        for _ in range(20):
            assert b"healthy" in talk(port, b"GET /-/healthy HTTP/1.0\r\n\r\n")
        more = [connect(port) for _ in range(200)]
        assert b"healthy" in talk(port, b"GET /-/healthy HTTP/1.0\r\n\r\n")
        for client in quiet + more:
            client.close()
        told = process.communicate("end\n", timeout=30)[1]
    assert told.count("Too many open files") == 1
    assert "Traceback" not in told
