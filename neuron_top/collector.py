"""Reads the node in a thread of its own, so that a slow source does not delay keys."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from neuron_top.looks import Look
from neuron_top.model.moment import Moment
from runtime_core.telemetry import NodeError

_SECOND_LOOK_SECONDS = 0.2
"""Until the second look no utilization is known: it comes soon after the first."""


class Frame(NamedTuple):
    """The result of one look: a moment, or the reason why there is no moment."""

    moment: Moment | None
    problem: str = ""


class Collector:
    """A thread that looks every ``interval_seconds`` and hands each frame on."""

    def __init__(self, look: Look, interval_seconds: float, deliver: Callable[[Frame], None]) -> None:
        """Nothing happens before :meth:`start`; ``deliver`` is called on the collector's thread."""
        self._look = look
        self._interval_seconds = interval_seconds
        self._deliver = deliver
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="collector")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread. If a look hangs, its thread ends with the program."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(0.5)
        if not self._thread.is_alive():
            self._look.close()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            frame = self._look_once()
            if self._stop.is_set():
                return
            self._deliver(frame)
            due = max(due + self._interval_seconds, time.monotonic())
            first = frame.moment is not None and frame.moment.rates is None
            pause = min(_SECOND_LOOK_SECONDS, self._interval_seconds) if first else due - time.monotonic()
            self._stop.wait(max(0.0, pause))

    def _look_once(self) -> Frame:
        """Return one frame. A failure is shown, and the next look tries again."""
        try:
            return Frame(self._look.moment())
        except NodeError as error:
            return Frame(None, str(error))
