"""Sends what was collected, and keeps what could not be sent until it can."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from neuron_monitor.cloudwatch.window import Datum, Window, batches

COMMAND = "neuron-monitor-cloudwatch.py"

MAX_WAITING_DATA = 100_000
"""Some 50 MB; at 500 series and a request a minute, three hours of an outage."""


class Client(Protocol):
    """What is used of a boto3 CloudWatch client."""

    def put_metric_data(self, *, Namespace: str, MetricData: list[Datum]) -> object:
        """Send a request."""
        ...


class NotSent(Exception):
    """A request failed; ``refused``: as it stands it always will."""

    def __init__(self, reason: str, *, refused: bool) -> None:
        super().__init__(reason)
        self.refused = refused


class Sender:
    """A thread that sends a window's data every period; a failure never holds up who fills the window."""

    def __init__(
        self, window: Window, put: Callable[[list[Datum]], None], period_seconds: float, tell: Callable[[str], None]
    ) -> None:
        """Start.

        Args:
            window: taken from.
            put: sends a request, or raises :class:`NotSent`.
            period_seconds: how often.
            tell: takes a sentence on what goes wrong.
        """
        self._window = window
        self._put = put
        self._period_seconds = period_seconds
        self._tell = tell
        self._waiting: deque[list[Datum]] = deque()
        self._failing = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cloudwatch", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        due = time.monotonic() + self._period_seconds
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            self._send()
            # One that took longer than a period skips to the next deadline.
            periods = max(1, -int((due - time.monotonic()) // self._period_seconds))
            due += periods * self._period_seconds

    def _send(self) -> None:
        """Send all that waits, oldest first, until a request fails."""
        self._waiting.extend(batches(self._window.take()))
        self._drop_oldest()
        while self._waiting:
            try:
                self._put(self._waiting[0])
            except NotSent as problem:
                if not problem.refused:
                    if not self._failing:
                        self._tell(f"figures wait to be sent: {problem}")
                    self._failing = True
                    return
                self._tell(f"{len(self._waiting[0])} figures were refused, and are left out: {problem}")
            else:
                if self._failing:
                    self._tell("figures are being sent again")
                self._failing = False
            self._waiting.popleft()

    def _drop_oldest(self) -> None:
        lost = 0
        while sum(map(len, self._waiting)) > MAX_WAITING_DATA:
            lost += len(self._waiting.popleft())
        if lost:
            self._tell(f"{lost} figures waited too long to be sent, and are lost")

    def finish(self) -> int:
        """Send the rest and end; returns how many figures could not be sent."""
        self._stop.set()
        self._thread.join()
        self._send()
        return sum(map(len, self._waiting))


def tell_on_stderr(sentence: str) -> None:
    """A line on stderr under the command's name."""
    print(f"{COMMAND}: {' '.join(sentence.split())}", file=sys.stderr, flush=True)
