"""The cost of observation: a snapshot of a busy inf1.24xlarge, and the bytes per process."""

from __future__ import annotations

import os

import psutil

from benchmarks.busy import OWNERS, busy_node
from benchmarks.harness import Figure, microseconds_per_call, report
from runtime_core.driver import layout
from runtime_core.driver.node import datastore_bytes_per_process
from runtime_core.telemetry import Snapshot, open_source


def _decode(snapshot: Snapshot) -> None:
    for runtime in snapshot.runtimes:
        for histogram in (runtime.total_latency, runtime.device_latency):
            if histogram is None or not histogram.count:
                raise SystemExit("a histogram is empty")


def _snapshots() -> list[Figure]:
    with busy_node() as pids:
        source = open_source(f"sim:{os.environ['NEURON_SIM_ROOT']}")
        found = source.snapshot()
        if len(found.runtimes) != OWNERS or any(r.error for r in found.runtimes):
            raise SystemExit("not every owner was read")
        node = microseconds_per_call(source.snapshot, 50) / 1000
        decoded = microseconds_per_call(lambda: _decode(source.snapshot()), 30) / 1000
        host = microseconds_per_call(lambda: source.snapshot(host=True), 30) / 1000
        peer = microseconds_per_call(lambda: [psutil.Process(p).cpu_times() for p in pids], 20) / 1000
        return [
            Figure(f"snapshot, {OWNERS} owner processes", node, "ms", 1.0, note="every counter, histogram and model"),
            Figure("the same with every histogram decoded", decoded, "ms", note="they are decoded when looked at"),
            Figure("the same with the host's vCPUs and each process's CPU time", host, "ms"),
            Figure("peer: psutil cpu_times of the same processes alone", peer, "ms"),
            Figure("snapshot as a ratio to the peer", node / peer, "x"),
        ]


def main() -> None:
    """Measure on a temporary node."""
    figures = _snapshots()
    figures.append(Figure("datastore bytes a process", datastore_bytes_per_process(), "B"))
    figures.append(Figure("datastore bytes in all", layout.FILE_BYTES, "B", note="sparse until processes come"))
    report("snapshot", figures)
