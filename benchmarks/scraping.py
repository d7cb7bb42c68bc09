"""Programs that are scraped, and functions to scrape them."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

_RUNTIME_GROUPS = ("neuroncore_counters", "memory_used", "neuron_runtime_vcpu_usage", "execution_stats")
_SYSTEM_GROUPS = ("vcpu_usage", "memory_info", "neuron_hw_counters")


class Exporter(NamedTuple):
    """A program that is scraped."""

    name: str
    process: psutil.Process
    port: int


def configuration(folder: Path, period: str) -> Path:
    """A configuration of neuron-monitor with every group at the same period."""
    path = folder / f"every-{period}.json"
    rule = {"metrics": [{"type": group} for group in _RUNTIME_GROUPS]}
    system = [{"type": group} for group in _SYSTEM_GROUPS]
    path.write_text(json.dumps({"period": period, "neuron_runtimes": [rule], "system_metrics": system}))
    return path


def free_port() -> int:
    """A free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def get(connection: http.client.HTTPConnection, headers: dict[str, str]) -> bytes:
    """Scrape and return the page, unpacked."""
    connection.request("GET", "/metrics", headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"a scrape was answered with {answer.status}")
    return gzip.decompress(body) if answer.getheader("Content-Encoding") == "gzip" else body


def page(port: int) -> bytes:
    """Scrape and return the page, on a new connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        return get(connection, {})
    finally:
        connection.close()


@contextmanager
def started(name: str, command: list[str], port: int, ready: bytes) -> Iterator[Exporter]:
    """A program for the block; ``ready``: text on its page once it is ready."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if ready in page(port):
                    break
            except OSError:
                pass
            time.sleep(0.1)
        else:
            raise SystemExit(f"{name} did not start")
        yield Exporter(name, psutil.Process(process.pid), port)
    finally:
        process.kill()
        process.wait()
