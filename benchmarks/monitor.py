"""The cost of neuron-monitor on a busy inf1.24xlarge, compared with node_exporter and prometheus_client's Gauges."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.busy import OWNERS, busy_node
from benchmarks.harness import Figure, report
from benchmarks.scraping import Exporter, configuration, free_port, get, page, started

_QUIET_SECONDS = 20.0
_SCRAPED_SECONDS = 20
_BACK_TO_BACK = 200
_REPORTS = 200
_REPORT_SECONDS = 0.15
_REPORT_PERIOD = f"{round(_REPORT_SECONDS * 1000)}ms"
_UNPACKED = Path(sys.prefix) / "debian/usr/bin"
_SCRAPER = {
    # The headers of a Prometheus server.
    "Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
    "Accept-Encoding": "gzip",
}


class Scrapes(NamedTuple):
    """Scrape one exporter repeatedly; returns milliseconds of each scrape, and CPU milliseconds per scrape."""

    milliseconds: list[float]
    cpu_milliseconds: float
    series: int


@contextmanager
def _stock(shown: bytes) -> Iterator[Exporter]:
    command = [sys.executable, "-m", "benchmarks.stock_exporter"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdin is None or process.stdout is None:
            raise SystemExit("no pipe")
        text = shown.decode()
        process.stdin.write(f"{len(text)}\n{text}")
        process.stdin.flush()
        port = int(process.stdout.readline().split()[0])
        yield Exporter("prometheus_client's Gauges", psutil.Process(process.pid), port)
    finally:
        process.kill()
        process.wait()


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _scrapes(exporter: Exporter, headers: dict[str, str]) -> Scrapes:
    connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=60)
    series = sum(not line.startswith(b"#") for line in get(connection, headers).splitlines())
    before = _cpu_seconds(exporter.process)
    times = []
    for _ in range(_BACK_TO_BACK):
        began = time.perf_counter()
        # Read without unpacking, which is the scraper's cost.
        connection.request("GET", "/metrics", headers=headers)
        connection.getresponse().read()
        times.append((time.perf_counter() - began) * 1e3)
    cpu = (_cpu_seconds(exporter.process) - before) / _BACK_TO_BACK * 1e3
    connection.close()
    return Scrapes(times, cpu, series)


def _spaced(exporters: list[Exporter]) -> tuple[dict[str, list[float]], float]:
    """Scrape each once per second, like Prometheus; returns also the CPU share of the first."""
    times: dict[str, list[float]] = {exporter.name: [] for exporter in exporters}
    cpu, began = _cpu_seconds(exporters[0].process), time.monotonic()
    for second in range(_SCRAPED_SECONDS):
        for exporter in exporters:
            connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=60)
            started = time.perf_counter()
            connection.request("GET", "/metrics", headers=_SCRAPER)
            connection.getresponse().read()
            times[exporter.name].append((time.perf_counter() - started) * 1e3)
            connection.close()
        time.sleep(max(0.0, began + second + 1 - time.monotonic()))
    return times, (_cpu_seconds(exporters[0].process) - cpu) / (time.monotonic() - began)


def _quantile(values: list[float], ratio: float) -> float:
    return sorted(values)[min(len(values) - 1, int(ratio * len(values)))]


class Latency(NamedTuple):
    """Milliseconds from each deadline to the start of work (the host's scheduler), and to the end of the report.

    ``cpu_milliseconds``: CPU time per report.
    """

    begun: list[float]
    written: list[float]
    cpu_milliseconds: float


def _report_latency(config: Path) -> Latency:
    command = [sys.executable, "-m", "neuron_monitor", "-c", str(config), "--verbose", "3"]
    monitor = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    begun, written = [], []
    cpu = 0.0
    try:
        for line in monitor.stderr or ():
            told = re.search(r"begun ([\d.]+) ms late, written ([\d.]+) ms after", line)
            if told:
                begun.append(float(told[1]))
                written.append(float(told[2]))
                cpu = cpu or _cpu_seconds(psutil.Process(monitor.pid))
            if len(written) == _REPORTS:
                break
        cpu = (_cpu_seconds(psutil.Process(monitor.pid)) - cpu) / (_REPORTS - 1) * 1e3
    finally:
        monitor.kill()
        monitor.communicate()
    return Latency(begun, written, cpu)


def _plain_latency(cpu_milliseconds: float) -> list[float]:
    """The peer: a program with as much arithmetic at the same number of deadlines, on the same host."""
    command = [sys.executable, "-m", "benchmarks.spinner", str(_REPORTS), str(_REPORT_SECONDS), str(cpu_milliseconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def _figures(folder: Path) -> list[Figure]:
    port = free_port()
    command = [sys.executable, "-m", "neuron_monitor", "-c", str(configuration(folder, "1s")), "--prometheus"]
    with ExitStack() as stack:
        ours = stack.enter_context(
            started("ours", [*command, "--web.listen-address", f"127.0.0.1:{port}"], port, b"execution_status_total")
        )
        shown = page(port)
        before = _cpu_seconds(ours.process)
        time.sleep(_QUIET_SECONDS)
        quiet = (_cpu_seconds(ours.process) - before) / _QUIET_SECONDS
        stock = stack.enter_context(_stock(shown))
        exporters = [ours, stock]
        program = shutil.which("prometheus-node-exporter") or shutil.which("prometheus-node-exporter", path=_UNPACKED)
        if program is None:
            print("without node_exporter: run .ci/prometheus .venv/debian", file=sys.stderr)
        else:
            other = free_port()
            node_command = [program, f"--web.listen-address=127.0.0.1:{other}"]
            exporters.append(stack.enter_context(started("node_exporter", node_command, other, b"node_cpu_seconds")))
        spaced, scraped = _spaced(exporters)
        plain = {exporter.name: _scrapes(exporter, {}) for exporter in exporters}
        memory = ours.process.memory_info().rss / (1 << 20)
    latency = _report_latency(configuration(folder, _REPORT_PERIOD))
    lateness, plain_lateness = latency.written, _plain_latency(latency.cpu_milliseconds)
    figures = [
        Figure("CPU at a 1 s period", quiet * 100, "% of a core", 2.0, note=f"{OWNERS} runtimes, not scraped"),
        Figure("CPU at a 1 s period, scraped every second", scraped * 100, "% of a core", note="gzip"),
        Figure("resident memory", memory, "MiB", 60.0, note="after all scrapes"),
        Figure(
            "report latency p50", _quantile(lateness, 0.5), "ms", note=f"every {_REPORT_PERIOD}, deadline to written"
        ),
        Figure(
            "report latency p99, waiting for a core alone",
            _quantile(latency.begun, 0.99),
            "ms",
            note=f"{os.getloadavg()[0]:.1f} runnable on {os.cpu_count()} cores",
        ),
        Figure(
            "peer: as much plain arithmetic, p99",
            _quantile(plain_lateness, 0.99),
            "ms",
            note=f"{latency.cpu_milliseconds:.1f} ms of a core at the same deadlines on this host",
        ),
        Figure("report latency p99", _quantile(lateness, 0.99), "ms", 20.0, note=f"of {len(lateness)}"),
    ]
    for exporter in exporters:
        found, series = plain[exporter.name], plain[exporter.name].series
        mean = statistics.fmean(found.milliseconds)
        figures += [
            Figure(f"{exporter.name}: scrape p50", _quantile(found.milliseconds, 0.5), "ms", note=f"{series} series"),
            Figure(f"{exporter.name}: scrape p99", _quantile(found.milliseconds, 0.99), "ms"),
            Figure(f"{exporter.name}: scrapes", 1e3 / mean, "1/s", note="one connection"),
            Figure(f"{exporter.name}: CPU a scrape", found.cpu_milliseconds, "ms"),
            Figure(
                f"{exporter.name}: scrape p50, one a second", _quantile(spaced[exporter.name], 0.5), "ms",
                note="gzip, new connection: as Prometheus; ours makes and packs a new page for each",
            ),
        ]  # fmt: skip
    figures += _ratios(plain, spaced)
    return figures


def _ratios(plain: dict[str, Scrapes], spaced: dict[str, list[float]]) -> list[Figure]:
    p50 = {name: _quantile(found.milliseconds, 0.5) for name, found in plain.items()}
    once = {name: _quantile(times, 0.5) for name, times in spaced.items()}
    ours, *peers = p50
    figures = []
    for peer in peers:
        goal = 1.0 if peer == "node_exporter" else 0.1
        figures.append(Figure(f"scrape p50 as a ratio to {peer}", p50[ours] / p50[peer], "x", goal))
        figures.append(Figure(f"the same, one a second, to {peer}", once[ours] / once[peer], "x", goal))
    return figures


def main() -> None:
    """Measure on a temporary node."""
    with busy_node(), tempfile.TemporaryDirectory(prefix="neuron-bench-") as folder:
        figures = _figures(Path(folder))
    report("monitor", figures)
