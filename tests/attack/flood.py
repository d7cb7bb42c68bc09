"""A flood of connections to neuron-monitor while this process and a real Prometheus scrape it."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.attack.table import Row


def _listening_port(pid: int) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for connection in psutil.Process(pid).net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN:
                return int(connection.laddr.port)
        time.sleep(0.05)
    raise TimeoutError(f"process {pid} does not listen")


_KEPT = 64
"""Number of connections that a flooding process keeps open."""

_KINDS = (b"", b"GET /metrics HTTP/1.1\r\n", b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01")


def _attack(port: int, per_second: float, seconds: float, opened: multiprocessing.Queue[int]) -> None:
    held: list[socket.socket] = []
    began, made = time.monotonic(), 0
    while (now := time.monotonic()) - began < seconds:
        if made >= (now - began) * per_second:
            time.sleep(0.001)
            continue
        client = socket.socket()
        client.settimeout(0.5)
        # Close with a reset, so that no port stays in TIME_WAIT.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        with contextlib.suppress(OSError):
            client.connect(("127.0.0.1", port))
            client.send(_KINDS[made % len(_KINDS)])
            made += 1
        held.append(client)
        if len(held) > _KEPT:
            held.pop(0).close()
    opened.put(made)


def _rss_and_descriptors(pid: int) -> tuple[int, int]:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(f"/proc/{pid}/fd"))


@contextlib.contextmanager
def _prometheus(program: str, port: int, folder: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        own = probe.getsockname()[1]
    # The default timeout of Prometheus. Ten jobs with separate connections, because one job with an interval as long as
    # the timeout would scrape too seldom for a percentile.
    config = {
        "global": {"scrape_interval": "10s", "scrape_timeout": "10s"},
        "scrape_configs": [
            {"job_name": f"neuron-{job}", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]} for job in range(10)
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    server = subprocess.Popen(
        [program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
         f"--web.listen-address=127.0.0.1:{own}", "--log.level=error"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{own}"
    finally:
        server.terminate()
        server.wait(20)


def _ask(url: str, query: str) -> float | None:
    with urllib.request.urlopen(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}", timeout=10) as answer:
        found = json.load(answer)["data"]["result"]
    return float(found[0]["value"][1]) if found else None


def _samples(url: str, query: str) -> list[float]:
    with urllib.request.urlopen(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}", timeout=10) as answer:
        found = json.load(answer)["data"]["result"]
    return [float(value) for series in found for _, value in series["values"]]


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[min(len(seconds) - 1, round(0.99 * len(seconds)))]


def flood(seconds: float, per_second: float = 2000.0, processes: int = 8, prometheus: str | None = None) -> list[Row]:
    """Flood the monitor of a temporary node.

    Args:
        seconds: how long.
        per_second: connections, over all processes.
        processes: number of flooding processes.
        prometheus: program of a Prometheus server that scrapes meanwhile.
    """
    rows = [Row("flood: scrapes beside it"), Row("flood: Prometheus's scrapes")]
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        environment = {**os.environ, "NEURON_SIM_ROOT": str(folder / "node"), "NEURON_SOURCE": "sim"}
        subprocess.run(
            [sys.executable, "-m", "neuron_tools.sim", "up"], env=environment, check=True, capture_output=True
        )
        monitor = subprocess.Popen(
            [sys.executable, "-m", "neuron_monitor", "--prometheus", "--web.listen-address", "127.0.0.1:0"],
            env=environment, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        stack.callback(monitor.wait)
        stack.callback(monitor.terminate)
        port = _listening_port(monitor.pid)
        url = stack.enter_context(_prometheus(prometheus, port, folder)) if prometheus else None
        if url is not None:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    if _ask(url, "sum(up)") == 10:
                        break
                time.sleep(0.2)
        made: multiprocessing.Queue[int] = multiprocessing.Queue()
        attackers = [
            multiprocessing.Process(target=_attack, args=(port, per_second / processes, seconds, made), daemon=True)
            for _ in range(processes)
        ]
        began, cpu_began = time.monotonic(), sum(psutil.Process(monitor.pid).cpu_times()[:2])
        for attacker in attackers:
            attacker.start()
        latencies, most = [], (0, 0)
        while time.monotonic() - began < seconds:
            start = time.monotonic()
            problem = ""
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                    if b"neuron_monitor_build_info" not in answer.read():
                        problem = "a page without its metrics"
            except OSError as error:
                problem = f"{type(error).__name__}: {error}"
            latencies.append(time.monotonic() - start)
            rows[0].add(problem, latencies[-1])
            most = tuple(map(max, zip(most, _rss_and_descriptors(monitor.pid))))
            time.sleep(0.1)
        ended, cpu_seconds = time.monotonic(), sum(psutil.Process(monitor.pid).cpu_times()[:2]) - cpu_began
        if url is not None:
            window = f"[{max(2, round(time.monotonic() - began))}s]"
            scrapes, good = _ask(url, f"sum(count_over_time(up{window}))"), _ask(url, f"sum(sum_over_time(up{window}))")
            seconds_each = _samples(url, f"scrape_duration_seconds{window}")
            rows[1].tries, rows[1].failed = int(scrapes or 0), int((scrapes or 0) - (good or 0))
            rows[1].note = f"p99 {_p99(seconds_each):.3f} s" if seconds_each else "no scrape was seen"
        total = sum(made.get(timeout=30) for _ in attackers)
        for attacker in attackers:
            attacker.join(10)
        rows[0].note = (
            f"{total / seconds:.0f} connections/s, p99 {_p99(latencies):.3f} s, at most {most[1]} descriptors, "
            f"{most[0] >> 20} MiB, {cpu_seconds / (ended - began):.2f} CPUs"
        )
    return rows if prometheus else rows[:1]
