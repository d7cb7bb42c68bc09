"""Send the collected values, and keep those of failed requests for a retry."""

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
"""About 50 MB: three hours of an outage at 500 series and one request per minute."""


class Client(Protocol):
    """The part of a boto3 CloudWatch client that is used."""

    def put_metric_data(self, *, Namespace: str, MetricData: list[Datum]) -> object:
        """Send a request."""
        ...


class NotSent(Exception):
    """A request failed. ``refused``: a retry would fail too."""

    def __init__(self, reason: str, *, refused: bool) -> None:
        super().__init__(reason)
        self.refused = refused


class Sender:
    """A thread that sends the data of a window every period; a failure does not delay the filling of the window."""

    def __init__(
        self, window: Window, put: Callable[[list[Datum]], None], period_seconds: float, tell: Callable[[str], None]
    ) -> None:
        """Start the thread.

        Args:
            window: source of the data.
            put: sends a request, or raises :class:`NotSent`.
            period_seconds: time between requests.
            tell: called with a message about failures.
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
            # After a send that took longer than a period, skip to the next deadline.
            periods = max(1, -int((due - time.monotonic()) // self._period_seconds))
            due += periods * self._period_seconds

    def _send(self) -> None:
        """Send all waiting data, the oldest first, until a request fails."""
        self._waiting.extend(batches(self._window.take()))
        self._drop_oldest()
        while self._waiting:
            try:
                self._put(self._waiting[0])
            except NotSent as problem:
                if not problem.refused:
                    if not self._failing:
                        self._tell(f"sending failed, and will be retried: {problem}")
                    self._failing = True
                    return
                self._tell(f"{len(self._waiting[0])} values were rejected and dropped: {problem}")
            else:
                if self._failing:
                    self._tell("sending works again")
                self._failing = False
            self._waiting.popleft()

    def _drop_oldest(self) -> None:
        lost = 0
        while sum(map(len, self._waiting)) > MAX_WAITING_DATA:
            lost += len(self._waiting.popleft())
        if lost:
            self._tell(f"the oldest {lost} values were dropped: too many are waiting to be sent")

    def finish(self) -> int:
        """Send the remaining data and stop; return the number of values that could not be sent."""
        self._stop.set()
        self._thread.join()
        self._send()
        return sum(map(len, self._waiting))


def tell_on_stderr(sentence: str) -> None:
    """Print a message on stderr, prefixed with the name of the command."""
    print(f"{COMMAND}: {' '.join(sentence.split())}", file=sys.stderr, flush=True)
