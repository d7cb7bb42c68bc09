"""Looking at the node off the screen's thread, so that a slow source never holds up a key."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from runtime_core.telemetry import NodeError, Rates, Snapshot, Source, rates


class Frame(NamedTuple):
    """What the screen shows next: a snapshot with the rates since the one before, or why there is none."""

    snapshot: Snapshot | None
    rates: Rates | None
    problem: str = ""


class Collector:
    """A thread that looks every ``interval_seconds`` and hands each frame on."""

    def __init__(self, source: Source, interval_seconds: float, deliver: Callable[[Frame], None]) -> None:
        """Nothing happens before :meth:`start`; ``deliver`` is called on the collector's thread."""
        self._source = source
        self._interval_seconds = interval_seconds
        self._deliver = deliver
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="collector")

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for a look that is under way."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(2.0)
        self._source.close()

    def _run(self) -> None:
        before: Snapshot | None = None
        deadline = time.monotonic()
        while not self._stop.is_set():
            frame = look(self._source, before)
            before = frame.snapshot
            if self._stop.is_set():
                return
            self._deliver(frame)
            deadline = max(deadline + self._interval_seconds, time.monotonic())
            # The second look comes soon: until then no utilization is known.
            first_pause = 0.2 if frame.rates is None and frame.snapshot is not None else None
            self._stop.wait(min(first_pause or self._interval_seconds, max(0.0, deadline - time.monotonic())))


def look(source: Source, before: Snapshot | None) -> Frame:
    """One frame."""
    try:
        snapshot = source.snapshot(host=True)
    except NodeError as error:
        return Frame(None, None, str(error))
    return Frame(snapshot, None if before is None else rates(before, snapshot))
