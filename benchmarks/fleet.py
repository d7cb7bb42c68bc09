"""How neuron-top bears a fleet of 500 nodes: time to a full table, CPU, memory, and how soon it answers a key.

The nodes are one process that serves a real neuron-monitor's page on 500 ports of the loopback interface. There is no
peer that shows a fleet in a terminal; what asking costs is told beside Prometheus's own client library parsing the
same pages.
"""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.busy import busy_node
from benchmarks.harness import Figure, report
from benchmarks.scraping import free_port, page
from benchmarks.terminal import Terminal, terminal

NODES = 500
_INTERVAL_SECONDS = 5.0
_MEASURED_SECONDS = 20.0
_KEYS = 40


async def _serve(text: str) -> None:
    """Serve a page on as many free ports as there are nodes; print them; end with stdin."""
    body = text.encode()
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    )
    answer = head % len(body) + body

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    servers = [await asyncio.start_server(handle, "127.0.0.1", 0) for _ in range(NODES)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def _page() -> str:
    """A busy inf1.24xlarge with a process a core, as its neuron-monitor tells it."""
    port = free_port()
    with busy_node():
        command = [sys.executable, "-m", "neuron_monitor", "--prometheus", "--web.listen-address", f"127.0.0.1:{port}"]
        monitor = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                time.sleep(0.2)
                try:
                    text = page(port).decode()
                except OSError:
                    continue
                if "neuroncore_utilization_ratio{" in text:
                    # Pages that never change must not tell how old they are.
                    return re.sub(r"(?m)^neuron_monitor_report_age_seconds .*\n", "", text)
        finally:
            monitor.kill()
            monitor.wait()
    raise SystemExit("neuron-monitor served nothing")


def _key_seconds(running: Terminal) -> list[float]:
    """From a key to the screen that it asks for: the table and the heat map in turn."""
    times = []
    for number in range(_KEYS):
        sought = b"share of time busy" if number % 2 == 0 else b"NODE.{0,3} +STATE"
        times.append(running.press(b"c", sought))
        time.sleep(0.1)
    return times


def _parse_milliseconds(text: str) -> float:
    from prometheus_client.parser import text_string_to_metric_families

    started = time.perf_counter()
    for family in text_string_to_metric_families(text):
        for _ in family.samples:
            pass
    return (time.perf_counter() - started) * 1e3


def main() -> None:
    """Measure."""
    text = _page()
    series = sum(bool(line) and not line.startswith("#") for line in text.splitlines())
    server = subprocess.Popen(
        [sys.executable, "-c", f"import asyncio, sys; from benchmarks import fleet; "
         f"asyncio.run(fleet._serve(sys.stdin.read({len(text)})))"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    if server.stdin is None or server.stdout is None:
        raise SystemExit("no pipe")
    server.stdin.write(text)
    server.stdin.flush()
    ports = server.stdout.readline().split()
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as name:
        hosts = Path(name) / "hosts"
        hosts.write_text("".join(f"127.0.0.1:{port}\n" for port in ports))
        environment = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", "XDG_CONFIG_HOME": name}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "neuron_top", "--hostfile", str(hosts), f"--interval={_INTERVAL_SECONDS}"]
        try:
            with terminal(command, environment) as running:
                full = running.seconds_until(b"%d of %d nodes" % (NODES, NODES), 300)
                first_cpu = running.cpu_seconds()
                time.sleep(_INTERVAL_SECONDS)
                share = running.cpu_share(_MEASURED_SECONDS)
                keys = _key_seconds(running)
                rss = running.rss_bytes()
        finally:
            server.kill()
            server.communicate()
    each = share * _INTERVAL_SECONDS / NODES * 1e3
    stock = _parse_milliseconds(text)
    report(
        "fleet",
        [
            Figure("every node answered once", full, "s", note=f"{first_cpu:.1f} s of CPU, {series} series a page"),
            Figure("CPU, every node once in 5 s", share * 100, "% of a core"),
            Figure("CPU a page: ask, read, show", each, "ms", note="all of it"),
            Figure("CPU a page: prometheus_client's parser alone", stock, "ms"),
            Figure("CPU a page / the parser's", each / stock, "", 1.0),
            Figure("key to screen, median", statistics.median(keys) * 1e3, "ms"),
            Figure("key to screen, worst", max(keys) * 1e3, "ms", note=f"of {len(keys)}"),
            Figure("RSS", rss / (1 << 20), "MiB"),
        ],
    )


if __name__ == "__main__":
    main()
