"""The real clock does not drift: what arrives at a fixed rate for a minute is executed, to the half of a per cent."""

from __future__ import annotations

import time

from benchmarks.harness import Figure, report
from benchmarks.virtual_clock import memory_bound
from neuron_tools.bench.real_run import node_for, run_real
from neuron_tools.bench.setups import Setup

SECONDS = 60.0
RATE_PER_SECOND = 400.0
PEER_SECONDS = 10.0


def sleeping_loop(seconds: float, rate_per_second: float) -> int:
    """The peer: a loop that sleeps for a period after each turn, as naive load generators do; its turns."""
    turns = 0
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        time.sleep(1 / rate_per_second)
        turns += 1
    return turns


def main() -> None:
    """A minute of four cores with two clients each, then ten seconds of the peer."""
    setup = Setup("inf1.xlarge", 1, 1, 4, 4, 2)
    with node_for(setup.instance_type) as root:
        seen = run_real(setup, memory_bound(), root=root, seconds=SECONDS, rate_per_second=RATE_PER_SECOND)
    executions = sum(seen.latencies_ns.values())
    due = RATE_PER_SECOND * seen.seconds
    peer_due = RATE_PER_SECOND * PEER_SECONDS
    peer = sleeping_loop(PEER_SECONDS, RATE_PER_SECOND)
    report(
        "clock_drift",
        [
            Figure("executions beside those due", abs(executions - due) / due * 100, "%", 0.5, note=f"{executions}"),
            Figure("executions that failed", seen.failures, "", 0),
            Figure("load generator's own CPU", (seen.generator_cpu_seconds or 0) / seen.seconds * 100, "% of a vCPU"),
            Figure("peer: a loop that sleeps a period each turn", abs(peer - peer_due) / peer_due * 100, "%"),
        ],
    )
