"""neuron-top with a fleet of 500 nodes: time to a full table, CPU, memory, and response time to a key.

The nodes are virtual (``neuron-sim fleet up``), of the largest size, with a process on each core. No other program
shows such a fleet in a terminal. The cost of collection is compared with that of other programs (all-smi, Prometheus's
client library), which fetch the text of the same nodes and parse all of it, in the same run.
"""

from __future__ import annotations

import http.client
import os
import re
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from benchmarks.fleet_scale import Plan, fleet_up
from benchmarks.harness import Figure, report
from benchmarks.terminal import Terminal, terminal
from neuron_top.remote.client import Client
from neuron_top.remote.discovery import read_discovery
from neuron_top.remote.endpoint import Endpoint
from neuron_top.remote.node import RemoteLook
from neuron_top.remote.scrape import FLEET_FAMILIES, Reader
from neuron_top.remote.summary import JSON, SummaryReader, read_summary, summary_path

NODES = 500
_INTERVAL_SECONDS = 5.0
_MEASURED_SECONDS = 20.0
_KEYS = 40
_PAGES = 30
_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def _key_seconds(running: Terminal) -> list[float]:
    """Time from a key to the requested screen: the table and the heat map in turn."""
    times = []
    for number in range(_KEYS):
        sought = b"share of time busy" if number % 2 == 0 else b"NODE.{0,3} +STATE"
        times.append(running.press(b"c", sought))
        time.sleep(0.1)
    return times


def _fetched(endpoint: Endpoint) -> str:
    connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=30)
    connection.request("GET", endpoint.path)
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def _plainly(endpoint: Endpoint) -> None:
    """Fetch a page and parse every line: name, labels, value."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for line in _fetched(endpoint).splitlines():
        if line and not line.startswith("#") and (parts := _LINE.match(line)):
            labels = dict(_LABEL.findall(parts[2] or ""))
            found.setdefault(parts[1], []).append((labels, float(parts[3])))


def _with_client_library(endpoint: Endpoint) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    for family in text_string_to_metric_families(_fetched(endpoint)):
        for _ in family.samples:
            pass


def _milliseconds(ask: Callable[[Endpoint], object], endpoints: list[Endpoint]) -> float:
    """CPU of this process per node, after a warm-up with one node."""
    ask(endpoints[0])
    started = time.process_time()
    for endpoint in endpoints[1:]:
        ask(endpoint)
    return (time.process_time() - started) / (len(endpoints) - 1) * 1e3


def _ways(endpoints: list[Endpoint]) -> dict[str, float]:
    """CPU milliseconds per node of each way of collection."""
    client, reader = Client(), Reader(FLEET_FAMILIES)

    def summary(endpoint: Endpoint) -> None:
        path = summary_path(endpoint.path)
        answer = client.get(endpoint, path or "", JSON, 30)
        found = read_summary(answer.body)
        if found is None:
            raise SystemExit(f"{endpoint} has no summary")
        SummaryReader(str(endpoint), str).row(found, 0, 0.0)

    def text(endpoint: Endpoint) -> None:
        RemoteLook(endpoint, 30, str, None, reader, client).moment()

    return {
        "summary": _milliseconds(summary, endpoints * 10),
        "text": _milliseconds(text, endpoints),
        "plain": _milliseconds(_plainly, endpoints[:8]),
        "library": _milliseconds(_with_client_library, endpoints[:4]),
    }


def _on_screen(sd: str, folder: str) -> list[Figure]:
    environment = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", "XDG_CONFIG_HOME": folder}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "neuron_top", "--sd", sd, f"--interval={_INTERVAL_SECONDS}"]
    with terminal(command, environment) as running:
        full = running.seconds_until(b"%d of %d nodes" % (NODES, NODES), 300)
        first_cpu = running.cpu_seconds()
        time.sleep(_INTERVAL_SECONDS)
        share = running.cpu_share(_MEASURED_SECONDS)
        keys = _key_seconds(running)
        rss = running.rss_bytes()
    return [
        Figure("every node answered once", full, "s", note=f"{first_cpu:.1f} s of CPU, start included"),
        Figure("CPU, every node once in 5 s", share * 100, "% of a core", 15.0),
        Figure("key to screen, median", statistics.median(keys) * 1e3, "ms", 50.0),
        Figure("key to screen, worst", max(keys) * 1e3, "ms", note=f"of {len(keys)}"),
        Figure("RSS", rss / (1 << 20), "MiB", 120.0),
    ]


def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as name:
        plan = Plan(nodes=NODES, instance="inf1.24xlarge", applications=64)
        with fleet_up(plan, Path(name)) as (address, _):
            sd = f"http://{address}/sd"
            endpoints = read_discovery(sd, Client())
            with urllib.request.urlopen(f"http://{address}{endpoints[0].path}", timeout=60) as answer:
                text = answer.read().decode()
            series = sum(bool(line) and not line.startswith("#") for line in text.splitlines())
            figures = _on_screen(sd, name)
            ways = _ways(endpoints[:_PAGES])
    per_core = NODES / _INTERVAL_SECONDS / 1e3 * 100
    report(
        "fleet",
        [
            *figures,
            Figure("CPU a node: summary, as neuron-top asks", ways["summary"], "ms"),
            Figure(
                "CPU a node: text, as neuron-top asks", ways["text"], "ms", note=f"{series} series, {len(text)} bytes"
            ),
            Figure("CPU a node: all text parsed plainly", ways["plain"], "ms"),
            Figure("CPU a node: prometheus_client's parser", ways["library"], "ms"),
            Figure("500 nodes in 5 s by plain parsing", ways["plain"] * per_core, "% of a core", note="asking alone"),
            Figure("summary / plain parsing", ways["summary"] / ways["plain"], "", 0.1),
        ],
    )


if __name__ == "__main__":
    main()
