"""Options, root page and warnings that users of the original exporter expect."""

import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from neuron_monitor.prometheus import serve
from neuron_monitor.prometheus.address import host_and_port, in_container, only_local
from neuron_monitor.prometheus.request import prefers_html
from neuron_monitor.prometheus.serve import serving

LINE = next(iter((Path(__file__).parents[1] / "field/streams/inf1-2023.ndjson").read_bytes().splitlines(True)))
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.fixture
def exporter(listening):
    """neuron-monitor-prometheus.py with a stream of one line; yields its port."""
    started = []

    def start(*options):
        process = subprocess.Popen(
            [sys.executable, "-m", "neuron_monitor.prometheus.cli", "--port", "0", *map(str, options)],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        process.stdin.write(LINE)
        process.stdin.flush()
        return listening(process)

    yield start
    for process in started:
        process.kill()
        process.communicate()


def until_shown(get, wait, url, context=None, **headers):
    return wait(lambda: (found := get(url, context, **headers)) and b"execution_status" in found[2] and found)


def test_the_root_answers_programs_with_metrics_and_browsers_with_the_page(exporter, get, wait):
    url = f"http://127.0.0.1:{exporter()}/"
    for accept in ("text/plain", "*/*", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"):
        assert b"execution_status_total" in until_shown(get, wait, url, Accept=accept)[2]
    status, headers, body = get(url, Accept=BROWSER)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b'href="/metrics"' in body


@pytest.mark.parametrize(
    ("accept", "html"),
    [(BROWSER, True), ("", True), ("*/*", False), ("text/plain, text/html", True), ("text/html;q=0.1, */*", False)],
)
def test_what_a_browser_is(accept, html):
    assert prefers_html(accept) is html


def test_a_certificate_of_two_files_and_a_renewed_one(exporter, get, wait, authority, tmp_path):
    authority.write_to(tmp_path)
    port = exporter("--cert-file", tmp_path / "server.pem", "--key-file", tmp_path / "server.key")
    url = f"https://localhost:{port}/metrics"
    until_shown(get, wait, url, authority.client())

    def certificate():
        return ssl.get_server_certificate(("localhost", port), timeout=5)

    first = certificate()
    authority.write_to(tmp_path)
    wait(lambda: certificate() != first, what="the renewed certificate")
    until_shown(get, wait, url, authority.client())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--cert-file", "a"), "give both"),
        (("--address", "::1", "--web.listen-address", ":0"), "exclude each other"),
        (("--cert-file", "a", "--key-file", "b", "--web.config.file", "c"), "exclude each other"),
    ],
)
def test_options_that_do_not_fit_together(options, says):
    done = subprocess.run(
        [sys.executable, "-m", "neuron_monitor.prometheus.cli", *options], input=b"", capture_output=True, check=False
    )
    assert done.returncode == 2
    assert says in done.stderr.decode()


def test_addresses():
    assert [host_and_port("::1", 80), host_and_port("0.0.0.0", 8000)] == ["[::1]:80", "0.0.0.0:8000"]
    local = ("127.0.0.1:1", "[::1]:1", "localhost:1", "127.9.9.9:1")
    assert all(map(only_local, local))
    assert not any(map(only_local, (":1", "0.0.0.0:1", "10.0.0.7:1", "node:1")))


def test_a_container_is_told_when_nobody_outside_can_scrape(monkeypatch, capsys):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert in_container()
    with serving("127.0.0.1:0"):
        pass
    assert "is loopback, which nothing outside this container reaches" in capsys.readouterr().err
    with serving("0.0.0.0:0"):
        pass
    monkeypatch.setattr(serve, "in_container", lambda: False)
    with serving("127.0.0.1:0"):
        pass
    assert capsys.readouterr().err == ""
