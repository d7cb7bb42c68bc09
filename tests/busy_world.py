"""Constant snapshots of a node in production, with loads that rise and fall."""

import math

from worlds import MIB, SECOND, make_runtime, make_snapshot

from runtime_core.histogram import Histogram, bucket_index
from runtime_core.instance import instance_type
from runtime_core.telemetry.snapshot import CpuTimes, Device, EccCounts, ErrorCounts, ExecutionCounts


def _integral(seconds, mean, swing, period):
    """Busy time of a utilization that oscillates around its mean; cumulative, like the counters of a node."""
    turn = 2 * math.pi / period
    return mean * seconds + swing * (1 - math.cos(turn * seconds)) / turn


APPLICATIONS = (
    # tag, cores (of a 16-device node), command, mean and swing of utilization, its period in seconds
    ("web", range(4), "python3 serve.py --port 8080 --model resnet50", 0.55, 0.35, 60),
    ("web", range(4, 8), "python3 serve.py --port 8081 --model resnet50", 0.5, 0.4, 45),
    ("bert-large-uncased-whole-word-masking-finetuned-squad", range(8, 16), "python3 -m qa.main", 0.93, 0.05, 20),
    ("翻訳サービス", range(16, 18), "python3 translate.py", 0.2, 0.15, 90),
    ("pipeline", range(20, 28), "./pipeline --stages 8", 0.7, 0.1, 30),
    ("nightly", (32,), "python3 nightly.py " + "--shard s3://bucket/part " * 9, 0.98, 0.0, 10),
    ("idle", (40, 41), "python3 notebook.py", 0.0, 0.0, 10),
)  # fmt: skip


def _application(seconds, pid, tag, cores, command, mean, swing, period):
    """One of :data:`APPLICATIONS`, with varying latencies and occasional failures."""
    made = make_runtime(seconds, pid, tuple(cores), tag, command)
    busy_seconds = _integral(seconds, mean, swing, period)
    count = int(400 * busy_seconds)
    uses = {
        core: use._replace(busy_ns=int(busy_seconds * SECOND), flops=int(busy_seconds * 14e12))
        for core, use in made.cores.items()
    }
    slow = count // 20
    spread = {bucket_index(2_000_000): count - slow, bucket_index(3_500_000): slow}
    latency = Histogram({i: n for i, n in spread.items() if n}, count * 2_100_000)
    failed = int(seconds // 40) if tag == "nightly" else 0
    return made._replace(
        uid=0, cores=uses, executions=ExecutionCounts(count, failed, 0, failed // 2), errors=ErrorCounts(failed),
        total_latency=latency, device_latency=latency, cpu=CpuTimes(busy_seconds * 0.05, busy_seconds * 0.02),
    )  # fmt: skip


def make_busy_node(seconds, size="inf1.24xlarge"):
    """A node in production: applications of every kind, link traffic, and an ECC event every 50 seconds."""
    chosen = instance_type(size)
    pids = range(4001, 4100)
    runtimes = [
        _application(seconds, pid, tag, cores, *rest)
        for pid, (tag, cores, *rest) in zip(pids, APPLICATIONS)
        if max(cores) < chosen.core_count
    ]
    if seconds > 30 and chosen.core_count > 48:
        late = _application(seconds - 30, 5001, "late", range(48, 50), "python3 late.py", 0.4, 0.1, 15)
        runtimes.append(late._replace(time_ns=int(seconds * SECOND), start_ns=30 * SECOND))
    snapshot = make_snapshot(size, seconds, runtimes)
    traffic = {5: 80 * MIB, 6: 40 * MIB}
    devices = tuple(
        Device(d.index, d.bdf, d.core_ids, d.connected, d.east, d.west, d.memory_total_bytes,
               sum(u.memory.total_bytes for r in runtimes for c, u in r.cores.items() if c in d.core_ids),
               EccCounts(int(seconds // 50) if d.index == 3 else 0, 0, 0, 0), d.cpu_affinity, d.numa_node,
               int(traffic.get(d.index, 0) * seconds), 0)
        for d in snapshot.devices
    )  # fmt: skip
    return snapshot._replace(devices=devices)
