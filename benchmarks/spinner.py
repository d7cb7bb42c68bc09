"""Arithmetic at deadlines: the delay that other load of the host causes for any program."""

from __future__ import annotations

import sys
import time


def main() -> None:
    """``COUNT PERIOD_SECONDS CPU_MILLISECONDS``: print milliseconds from each deadline to the end of the work."""
    count, period_seconds, cpu_seconds = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]) / 1e3
    start = time.monotonic()
    for number in range(1, count + 1):
        deadline = start + number * period_seconds
        time.sleep(max(0.0, deadline - time.monotonic()))
        until = time.thread_time() + cpu_seconds
        while time.thread_time() < until:
            sum(range(500))
        print((time.monotonic() - deadline) * 1e3)


if __name__ == "__main__":
    main()
