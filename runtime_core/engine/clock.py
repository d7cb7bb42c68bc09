"""The clock that executions run against."""

from __future__ import annotations

import ctypes
import threading
import time
from typing import Protocol

_PR_SET_TIMERSLACK = 29
"""prctl(2): by how much the kernel may let a sleep of this thread overrun, in ns; 50 µs unless it is set."""


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

    def __init__(self) -> None:
        """No thread has slept yet."""
        self._prompt = threading.local()

    now_ns = staticmethod(time.monotonic_ns)
    """CLOCK_MONOTONIC, nanoseconds."""

    def sleep_until(self, deadline_ns: int) -> None:
        """Sleep for what is left until ``deadline_ns``."""
        left_ns = deadline_ns - time.monotonic_ns()
        if left_ns > 0:
            if not hasattr(self._prompt, "asked"):
                # The default slack is a per cent and more of a short execution.
                self._prompt.asked = True
                _ask_for_prompt_waking()
            time.sleep(left_ns / 1e9)


def _ask_for_prompt_waking() -> None:
    """Set the calling thread's timer slack to the least; where that cannot be done, sleeps overrun by some more."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0)
