"""What watching costs: a snapshot of a busy inf1.24xlarge, and the bytes a process takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from benchmarks.harness import Figure, microseconds_per_call, report
from runtime_core.driver import layout
from runtime_core.driver.node import datastore_bytes_per_process, set_up
from runtime_core.telemetry import Snapshot, open_source

_OWNERS = 64


def _decode(snapshot: Snapshot) -> None:
    for runtime in snapshot.runtimes:
        for histogram in (runtime.total_latency, runtime.device_latency):
            if histogram is None or not histogram.count:
                raise SystemExit("a histogram is empty")


def _snapshots() -> list[Figure]:
    owners = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.owner", str(core)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for core in range(_OWNERS)
    ]
    try:
        for owner in owners:
            if owner.stdout is None or owner.stdout.readline() != b"up\n":
                raise SystemExit("an owner process did not start")
        source = open_source(f"sim:{os.environ['NEURON_SIM_ROOT']}")
        found = source.snapshot()
        if len(found.runtimes) != _OWNERS or any(r.error for r in found.runtimes):
            raise SystemExit("not every owner was read")
        node = microseconds_per_call(source.snapshot, 50) / 1000
        decoded = microseconds_per_call(lambda: _decode(source.snapshot()), 30) / 1000
        host = microseconds_per_call(lambda: source.snapshot(host=True), 30) / 1000
        pids = [owner.pid for owner in owners]
        peer = microseconds_per_call(lambda: [psutil.Process(p).cpu_times() for p in pids], 20) / 1000
        return [
            Figure(f"snapshot, {_OWNERS} owner processes", node, "ms", 1.0, note="every counter, histogram and model"),
            Figure("the same with every histogram decoded", decoded, "ms", note="they are decoded when looked at"),
            Figure("the same with the host's vCPUs and each process's CPU time", host, "ms"),
            Figure("peer: psutil cpu_times of the same processes alone", peer, "ms"),
            Figure("snapshot as a ratio to the peer", node / peer, "x"),
        ]
    finally:
        for owner in owners:
            owner.kill()
            owner.wait()


def main() -> None:
    """Measure on a node of its own."""
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as folder:
        os.environ["NEURON_SIM_ROOT"] = str(Path(folder) / "node")
        set_up(type_name="inf1.24xlarge")
        figures = _snapshots()
    figures.append(Figure("datastore bytes a process", datastore_bytes_per_process(), "B"))
    figures.append(Figure("datastore bytes in all", layout.FILE_BYTES, "B", note="sparse until processes come"))
    report("snapshot", figures)
