"""The size of a day of a busy inf1.24xlarge on disk, compared with the same snapshots as gzipped JSON lines.

Sixteen applications with four cores, or 64 with one, run a model of 7.9 ms (BERT base, as published) under the virtual
clock. Random effects that the virtual clock lacks are added: the host's return from each execution (60 µs on average,
exponential), the times of the snapshots, and the figures of 96 vCPUs. A minute is encoded; a day has 86,112 differences
and 288 complete snapshots of the measured sizes.

A lower bound for recordings without loss is shown too: the entropy of the increments of each bucket of the latency
histograms in a second, if the probability of each number is known.
"""

from __future__ import annotations

import gzip
import io
import math
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from benchmarks.harness import Figure, report
from neuron_tools.scenario.models import made_to_measure
from runtime_core.engine.execution import LoadedModel
from runtime_core.engine.executor import Engine
from runtime_core.histogram import Histogram
from runtime_core.telemetry import Snapshot, open_source
from runtime_core.telemetry.recording import Recording, RecordingWriter
from runtime_core.telemetry.recording.writer import KEY_EVERY
from runtime_core.telemetry.snapshot import CpuTimes, Host, VcpuTimes
from runtime_core.virtual.clock import Process
from runtime_core.virtual.node import VirtualNode

SECONDS = 60
DAY_SECONDS = 86_400
CORES, VCPUS = 64, 96
MODEL_MILLISECONDS = 7.9
RETURN_NS = 60_000


class Sizes(NamedTuple):
    """Megabytes per day, and milliseconds to encode a snapshot and to step back in a replay.

    Attributes:
        buckets_mb: entropy of only the histograms' buckets.
    """

    ours_mb: float
    buckets_mb: float
    peer_mb: float
    encode_ms: float
    back_ms: float


def closed(engine: Engine, model: LoadedModel, rng: random.Random) -> Process:
    """A client that executes back to back."""
    now_ns = yield 0
    while True:
        placed = engine.start(model, now_ns)
        arrival_ns, now_ns = now_ns, (yield placed.end_ns + round(rng.expovariate(1 / RETURN_NS)))
        engine.finish(model, placed, now_ns - arrival_ns)


def opened(engine: Engine, model: LoadedModel, rng: random.Random) -> Process:
    """A client with requests at random times, for half of the capacity of a core; they queue on it."""
    rate = 0.5e3 / MODEL_MILLISECONDS
    now_ns = yield 0
    while True:
        now_ns = yield now_ns + round(rng.expovariate(rate) * 1e9)
        placed = engine.start(model, now_ns)
        engine.finish(model, placed, placed.end_ns - now_ns + round(rng.expovariate(1 / RETURN_NS)))


class HostFigures:
    """The random figures of a host, in ticks of 10 ms."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._ticks = [[0] * 7 for _ in range(VCPUS)]
        self._cpu = [[0, 0] for _ in range(CORES)]
        self._switches = 0

    def dressed(self, snapshot: Snapshot) -> Snapshot:
        """Return ``snapshot`` a second later, with host figures."""
        rng = self._rng
        for ticks in self._ticks:
            user, system = rng.randrange(10, 60), rng.randrange(1, 10)
            for kind, spent in ((0, user), (2, system), (3, 100 - user - system), (6, int(rng.random() < 0.3))):
                ticks[kind] += spent
        self._switches += rng.randrange(50_000, 60_000)
        for used in self._cpu:
            used[0] += rng.randrange(20, 60)
            used[1] += rng.randrange(5, 15)
        vcpus = tuple(VcpuTimes(*(tick / 100 for tick in ticks)) for ticks in self._ticks)
        used_bytes = (40 << 30) + rng.randrange(1 << 28) // 4096 * 4096
        host = Host(snapshot.time_ns, vcpus, self._switches, 192 << 30, used_bytes, 0, 0)
        runtimes = tuple(
            r._replace(cpu=CpuTimes(*(tick / 100 for tick in used)))
            for r, used in zip(snapshot.runtimes, self._cpu, strict=False)
        )
        return snapshot._replace(runtimes=runtimes, host=host)


def _plain(value: object) -> object:
    assert isinstance(value, Histogram)
    return [value.sum_ns, {str(bucket): count for bucket, count in value.buckets.items()}]


def _entropy_bytes(seconds: list[list[Mapping[int, int]]]) -> float:
    """Return the entropy of the buckets' changes in bytes per second, from the frequency of each change in each bucket.

    The histograms of all runtimes of a kind (total or device latency) have the same probabilities.

    Args:
        seconds: histograms of each snapshot, of both kinds in turn.
    """
    seen: dict[tuple[int, int], Counter[int]] = {}
    for before, after in pairwise(seconds):
        for number, (had, has) in enumerate(zip(before, after, strict=True)):
            for bucket, count in has.items():
                if count != had.get(bucket, 0):
                    seen.setdefault((number % 2, bucket), Counter())[count - had.get(bucket, 0)] += 1
    chances = (len(seconds) - 1) * len(seconds[0]) // 2
    bits = 0.0
    for changes in seen.values():
        changes[0] = chances - changes.total()
        bits -= sum(n * math.log2(n / chances) for n in changes.values() if n)
    return bits / 8 / (len(seconds) - 1)


def measure(
    client: Callable[[Engine, LoadedModel, random.Random], Process], clients: int, applications: int, folder: Path
) -> Sizes:
    """Simulate a minute and encode it both ways."""
    cores_each = CORES // applications
    histograms: list[list[Mapping[int, int]]] = []
    rng = random.Random(1)
    neff = made_to_measure("bert-base", MODEL_MILLISECONDS, 1.0)
    path = folder / f"{client.__name__}-{applications}.nrec"
    writer = RecordingWriter(path, source="virtual", interval_seconds=1.0)
    lines = io.BytesIO()
    peer = gzip.GzipFile(fileobj=lines, mode="wb", compresslevel=6, mtime=0)
    figures, sizes, spent = HostFigures(rng), [], 0.0
    with VirtualNode("inf1.24xlarge") as node:
        source = open_source(f"sim:{node.root}")
        for number in range(applications):
            first = number * cores_each
            runtime = node.runtime(cores=f"{first}-{first + cores_each - 1}", tag=f"app{number}")
            for place in range(cores_each):
                model = runtime.load(neff, place)
                for _ in range(clients):
                    node.spawn(client(runtime.engine, model, rng), model)
        for second in range(1, SECONDS + 1):
            node.run(second * 10**9 + rng.randrange(2_000_000))
            snapshot = figures.dressed(source.snapshot())
            started, before = time.process_time(), writer.bytes_written
            writer.add(snapshot)
            histograms.append(
                [
                    dict((h or Histogram()).buckets)
                    for r in snapshot.runtimes
                    for h in (r.total_latency, r.device_latency)
                ]
            )
            spent += time.process_time() - started
            sizes.append(writer.bytes_written - before)
            peer.write(msgspec.json.encode(snapshot, enc_hook=_plain) + b"\n")
    writer.close()
    peer.close()
    recording = Recording(path)
    assert recording.snapshot(SECONDS - 1)._replace(source="") == snapshot._replace(source="")
    steps_ms = []
    for index in range(SECONDS - 2, -1, -1):
        started = time.process_time()
        recording.snapshot(index)
        steps_ms.append((time.process_time() - started) * 1e3)
    keys = DAY_SECONDS // KEY_EVERY
    day = sizes[0] * keys + sum(sizes[1:]) / (SECONDS - 1) * (DAY_SECONDS - keys)
    least = _entropy_bytes(histograms) * DAY_SECONDS
    return Sizes(
        day / 1e6,
        least / 1e6,
        len(lines.getvalue()) / SECONDS * DAY_SECONDS / 1e6,
        spent / SECONDS * 1e3,
        median(steps_ms),
    )


def main() -> None:
    """Measure both loads."""
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as folder:
        full = measure(closed, 2, 16, Path(folder))
        half = measure(opened, 1, 16, Path(folder))
        many = measure(opened, 1, 64, Path(folder))
    report(
        "recording",
        [
            Figure("a day, every core saturated by two clients", full.ours_mb, "MB", 100.0),
            Figure("peer: gzipped JSON lines of it", full.peer_mb, "MB"),
            Figure("a day, requests at random for half of it", half.ours_mb, "MB", 100.0,
                   note="latencies spread by queueing: each bucket that counts is kept"),
            Figure("  entropy of the buckets alone", half.buckets_mb, "MB"),
            Figure("peer: gzipped JSON lines of that", half.peer_mb, "MB"),
            Figure("a day, the same of 64 runtimes", many.ours_mb, "MB", 100.0),
            Figure("  entropy of the buckets alone", many.buckets_mb, "MB"),
            Figure("peer: gzipped JSON lines of that", many.peer_mb, "MB"),
            Figure("encoding a snapshot, saturated", full.encode_ms, "ms"),
            Figure("a step back in a replay, at random", half.back_ms, "ms", 3.0),
        ],
    )  # fmt: skip
