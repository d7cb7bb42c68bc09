"""A sweep of 200 seeds on Dask with one worker, with two, with a worker that is killed, and on local processes.

All result files must be equal, byte for byte. There is no peer; the comparison is with the same work on one worker.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import Figure, report

_SEEDS = 200
_SCENARIO = """
scenario: seeds
instance: inf1.xlarge
duration: 90s
models:
  small: {milliseconds: 10}
applications:
  - {tag: web, cores: "0-1", models: [small], arrivals: {poisson: 40}, threads: 2}
timeline:
  - {at: 30s, fault: slow-core, cores: "1", factor: 3, for: 20s}
expectations:
  - {expect: latency p99 web < 100ms}
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def cluster(workers: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and workers without nannies, each a process with one thread; yields address and workers."""
    port = _free_port()
    address = f"tcp://127.0.0.1:{port}"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host=127.0.0.1", f"--port={port}"]
    scheduler = _quiet([*dask, "--no-dashboard"])
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads=1", "--no-nanny"]
    started = [_quiet([*worker, "--no-dashboard"]) for _ in range(workers)]
    try:
        _wait(address, workers)
        yield f"dask://127.0.0.1:{port}", started
    finally:
        for process in (*started, scheduler):
            process.kill()
            process.wait()


def _quiet(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _wait(address: str, workers: int) -> None:
    from distributed import Client

    with Client(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=60)
        # Workers import the suite before the measurement.
        client.run(importlib.import_module, "neuron_tools.scenario.virtual_world")


def sweep(engine: Sequence[str], file: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start the sweep."""
    command = [sys.executable, "-m", "neuron_tools.sim", "sweep", "scenario", str(file), f"--seeds=0-{_SEEDS - 1}"]
    return _quiet([*command, *engine, f"--out={out}"])


def timed(engine: Sequence[str], file: Path, out: Path) -> tuple[float, bytes]:
    """Seconds of a sweep, and its results."""
    started = time.perf_counter()
    process = sweep(engine, file, out)
    process.wait()
    return time.perf_counter() - started, out.read_bytes()


def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as name:
        folder = Path(name)
        file = folder / "seeds.yaml"
        file.write_text(_SCENARIO)
        with cluster(1) as (address, _):
            one, first = timed([f"--engine={address}"], file, folder / "one.ndjson")
        with cluster(2) as (address, _):
            two, second = timed([f"--engine={address}"], file, folder / "two.ndjson")
        with cluster(2) as (address, workers):
            out = folder / "lost.ndjson"
            started = time.perf_counter()
            process = sweep([f"--engine={address}"], file, out)
            while not out.exists() or out.read_bytes().count(b"\n") < _SEEDS // 3:
                time.sleep(0.05)
            known = out.read_bytes().count(b"\n") - 1
            os.kill(workers[0].pid, signal.SIGKILL)
            process.wait()
            lost, third = time.perf_counter() - started, out.read_bytes()
        local, fourth = timed(["--workers=2"], file, folder / "local.ndjson")
        lines = first.count(b"\n") - 1
        report(
            "sweeps",
            [
                Figure("200 seeds, one Dask worker", one, "s", note=f"{lines} results"),
                Figure("200 seeds, two Dask workers", two, "s"),
                Figure("speed-up", one / two, "x", 1.6, at_most=False),
                Figure("one of two workers killed", lost, "s", note=f"after {known} results"),
                Figure("two local processes", local, "s"),
                Figure("files that differ", sum(other != first for other in (second, third, fourth)), "", 0),
                Figure("results missing", _SEEDS - lines, "", 0),
            ],
        )


if __name__ == "__main__":
    main()
