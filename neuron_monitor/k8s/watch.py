"""Poll the kubelet in a thread, so that a slow answer does not delay the stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from runtime_core.telemetry import NeuronError
from runtime_core.telemetry.kubelet.holdings import Holding


class Answer(NamedTuple):
    """The latest answer of the kubelet.

    Attributes:
        seconds: time since the previous request.
        holdings: allocations to containers.
        error: reason why they are unknown, or "".
    """

    seconds: float
    holdings: tuple[Holding, ...]
    error: str


class Watch:
    """A thread that sends a request at once and then every period."""

    def __init__(self, ask: Callable[[], tuple[Holding, ...]], period_seconds: float) -> None:
        """Start the thread.

        Args:
            ask: returns holdings, or raises :class:`NeuronError`.
            period_seconds: time between requests.
        """
        self._ask = ask
        self._period_seconds = period_seconds
        self._asked = time.monotonic()
        self._first = threading.Event()
        self._stop = threading.Event()
        self._answer = Answer(0.0, (), "the kubelet has not answered yet")
        self._thread = threading.Thread(target=self._run, name="kubelet", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            now = time.monotonic()
            seconds, self._asked = now - self._asked, now
            try:
                self._answer = Answer(seconds, self._ask(), "")
            except NeuronError as error:
                self._answer = Answer(seconds, (), str(error))
            self._first.set()
            self._stop.wait(max(0.0, now + self._period_seconds - time.monotonic()))

    def latest(self, wait_seconds: float = 0.0) -> Answer:
        """Return the latest answer; wait for the first one for up to ``wait_seconds``."""
        self._first.wait(wait_seconds)
        return self._answer

    def close(self, interrupt: Callable[[], None]) -> None:
        """Stop the thread; ``interrupt`` cancels a pending request."""
        self._stop.set()
        interrupt()
        self._thread.join()
