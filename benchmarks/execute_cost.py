"""The cost of the counters per execution."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Figure, microseconds_per_call, report
from runtime_core.driver import ownership
from runtime_core.driver.node import open_or_set_up
from runtime_core.driver.pages.page import RuntimePage


def telemetry_cost_us() -> float:
    """All work of an execution on the page: two checks, placing on the core's timeline, counting, histograms."""
    store = open_or_set_up()
    page = RuntimePage(store, tag="cost", command="", version="")
    ownership.claim_cores(store.locks, [0])
    page.own_cores([0])

    def one() -> None:
        now_ns = time.monotonic_ns()
        page.was_reset((0,))
        page.place(0, now_ns, now_ns, 1000, 5000, 2_000_000_000)
        page.was_reset((0,))
        page.count((0,), 0, 0, None, 2_000_000, 1_900_000)

    cost = microseconds_per_call(one, 20_000)
    page.release()
    ownership.release_cores(store.locks, [0])
    store.close()
    return cost


def main() -> None:
    """Measure on a temporary node, together with the cost of reading the clock."""
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as folder:
        os.environ["NEURON_SIM_ROOT"] = str(Path(folder) / "node")
        cost = telemetry_cost_us()
    clock = microseconds_per_call(time.monotonic_ns, 100_000)
    report(
        "execute_cost",
        [
            Figure("telemetry added to one execute call", cost, "us", 5.0),
            Figure("peer: time.monotonic_ns", clock, "us"),
        ],
    )
