"""The real clock does not drift: at a fixed rate for a minute, all requests are executed, within 0.5 %.

It also agrees with the virtual clock: clients that execute back to back have the same throughput and latency.
"""

from __future__ import annotations

import time

from benchmarks.harness import Figure, report
from benchmarks.virtual_clock import memory_bound
from neuron_tools.bench.real_run import node_for, run_real
from neuron_tools.bench.result import quantile
from neuron_tools.bench.setups import Setup
from neuron_tools.bench.virtual_run import run_virtual

SECONDS = 60.0
RATE_PER_SECOND = 400.0
AGREEMENT_SECONDS = 8.0
PEER_SECONDS = 10.0


def sleeping_loop(seconds: float, rate_per_second: float) -> int:
    """The peer: a loop that sleeps for a period after each iteration, like naive load generators."""
    turns = 0
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        time.sleep(1 / rate_per_second)
        turns += 1
    return turns


def differences(setup: Setup) -> list[Figure]:
    """Measure clients back to back under both clocks."""
    simulated = run_virtual(setup, memory_bound(), seconds=AGREEMENT_SECONDS)
    with node_for(setup.instance_type) as root:
        real = run_real(setup, memory_bound(), root=root, seconds=AGREEMENT_SECONDS)
    counts = [sum(seen.latencies_ns.values()) / seen.seconds for seen in (simulated, real)]
    medians = [quantile(seen.latencies_ns, 0.5) or 0 for seen in (simulated, real)]
    note = f"{setup.workers} client(s) a core, which was busy {real.utilization:.1%} of the time"
    return [
        Figure("throughput, real beside virtual clock", abs(counts[1] / counts[0] - 1) * 100, "%", 2, note=note),
        Figure("p50, real beside virtual clock", abs(medians[1] / medians[0] - 1) * 100, "%", 2, note=note),
    ]


def main() -> None:
    """Measure a minute of four cores with two clients each, then both clocks, then ten seconds of the peer."""
    setup = Setup("inf1.xlarge", 1, 1, 4, 4, 2)
    with node_for(setup.instance_type) as root:
        seen = run_real(setup, memory_bound(), root=root, seconds=SECONDS, rate_per_second=RATE_PER_SECOND)
    executions = sum(seen.latencies_ns.values())
    due = RATE_PER_SECOND * seen.seconds
    agreement = [figure for workers in (1, 2) for figure in differences(setup._replace(workers=workers))]
    peer_due = RATE_PER_SECOND * PEER_SECONDS
    peer = sleeping_loop(PEER_SECONDS, RATE_PER_SECOND)
    report(
        "clock_drift",
        [
            Figure("executions beside those due", abs(executions - due) / due * 100, "%", 0.5, note=f"{executions}"),
            Figure("executions that failed", seen.failures, "", 0),
            Figure("load generator's own CPU", (seen.generator_cpu_seconds or 0) / seen.seconds * 100, "% of a vCPU"),
            *agreement,
            Figure("peer: a loop that sleeps a period each turn", abs(peer - peer_due) / peer_due * 100, "%"),
        ],
    )
