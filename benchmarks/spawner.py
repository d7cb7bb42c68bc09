"""Runtimes that start and end: each owns a core for a short time, executes, and ends or is killed."""

from __future__ import annotations

import os
import random
import signal
import sys
import time

from runtime_core.driver import ownership
from runtime_core.driver.node import open_or_set_up
from runtime_core.driver.pages.page import RuntimePage

_KILLED_RATIO = 1 / 3
TAGS = 16
"""Tags that are used repeatedly; other runtimes are identified by their pid."""


def _live(number: int, core: int, lifetime_seconds: float) -> None:
    """Run as a runtime. Every second one has a tag that was used before."""
    store = open_or_set_up()
    page = RuntimePage(store, tag=f"job{core % TAGS}" if number % 2 else str(os.getpid()), command="churn", version="0")
    if ownership.claim_cores(store.locks, [core]) is None:
        raise SystemExit(f"core {core} is taken")
    page.own_cores([core])
    page.add_model(1, "model", "0" * 32, [(core, [1] * 4, [2] * 4)])
    deadline = time.monotonic() + lifetime_seconds
    count = 0
    while time.monotonic() < deadline:
        # Many at a time, so that a kill is likely during an execution.
        for _ in range(20):
            count += 1
            page.place(core, time.monotonic_ns(), time.monotonic_ns(), 20_000, 80_000_000)
            page.count((core,), 0, 0, None, 30_000 + count * 7919 % 400_000, 20_000)
        time.sleep(0.01)


def main() -> None:
    """``COUNT AT_ONCE LIFETIME_SECONDS``: print the numbers of ended and of killed runtimes whenever they change."""
    count, at_once, lifetime_seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    chance = random.Random(1)
    alive: dict[int, tuple[int, float]] = {}
    cores = list(range(at_once))
    begun = ended = killed = 0
    while ended < count:
        while cores and begun < count:
            core = cores.pop(0)
            pid = os.fork()
            if not pid:
                try:
                    _live(begun, core, lifetime_seconds)
                finally:
                    os._exit(0)
            dies = chance.random() < _KILLED_RATIO
            alive[pid] = core, time.monotonic() + (lifetime_seconds * chance.random() if dies else 1e9)
            begun += 1
        now = time.monotonic()
        for pid, (core, killed_at) in list(alive.items()):
            if now > killed_at:
                os.kill(pid, signal.SIGKILL)
                alive[pid] = core, 1e9
                killed += 1
            if os.waitpid(pid, os.WNOHANG)[0]:
                cores.append(alive.pop(pid)[0])
                ended += 1
        print(ended, killed, flush=True)
        time.sleep(0.01)


if __name__ == "__main__":
    main()
