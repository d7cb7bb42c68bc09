"""A process that owns one core, counts executions like those of a model, and then waits."""

from __future__ import annotations

import sys
import time

from runtime_core.driver import ownership
from runtime_core.driver.node import open_or_set_up
from runtime_core.driver.pages.page import RuntimePage


def main() -> None:
    """Own core ``argv[1]``, print ``up``, then count 50 executions per second until stdin ends."""
    core = int(sys.argv[1])
    store = open_or_set_up()
    page = RuntimePage(store, tag=f"bench{core}", command="benchmark", version="0")
    if ownership.claim_cores(store.locks, [core]) is None:
        raise SystemExit(f"core {core} is taken")
    page.own_cores([core])
    page.add_model(1, "model", "0" * 32, [(core, [1] * 4, [2] * 4)])
    number = 0

    def execute() -> None:
        nonlocal number
        number += 1
        now_ns = time.monotonic_ns()
        page.place(core, now_ns, now_ns, 2_000_000, 8_000_000_000)
        # A few per cent of jitter, so that about fifty buckets of the histograms are used.
        page.count((core,), 0, 0, None, 2_100_000 + number * 7919 % 400_000, 2_000_000 + number * 104729 % 100_000)

    for _ in range(500):
        execute()
    print("up", flush=True)
    while True:
        time.sleep(0.02)
        execute()


main()
