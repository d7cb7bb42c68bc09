"""The clock that executions run against."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Nanoseconds that only grow, and a way to wait for one of them."""

    def now_ns(self) -> int:
        """The time, in nanoseconds; under the real clock CLOCK_MONOTONIC, which all processes share."""
        ...

    def sleep_until(self, deadline_ns: int) -> None:
        """Return at ``deadline_ns`` or, when it has passed, at once."""
        ...


class RealClock:
    """The wall clock's pace: waits for absolute deadlines, so lateness never adds up, and never spins."""

    def now_ns(self) -> int:
        """CLOCK_MONOTONIC, nanoseconds."""
        return time.monotonic_ns()

    def sleep_until(self, deadline_ns: int) -> None:
        """Sleep for what is left until ``deadline_ns``."""
        left_ns = deadline_ns - time.monotonic_ns()
        if left_ns > 0:
            time.sleep(left_ns / 1e9)
