"""Ends evaluations that take too long: one thread for all of them, because a timer's thread per run costs more."""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Watch:
    """One evaluation that runs; ``expired``: it was told to stop."""

    __slots__ = ("expired", "over", "stop")

    def __init__(self, stop: Callable[[], None]) -> None:
        self.stop = stop
        self.expired = False
        self.over = False


class Watchdog:
    """Calls what stops an evaluation when its time is up, or when all are to stop."""

    def __init__(self) -> None:
        """No thread runs before the first evaluation."""
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, Watch]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, seconds: float, stop: Callable[[], None]) -> Iterator[Watch]:
        """Call ``stop`` if the block takes longer than ``seconds``."""
        if self._pid != os.getpid():
            # A forked child has no thread of its parent's.
            self._begin()
        watch = Watch(stop)
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), watch))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="evaluations", daemon=True)
                self._thread.start()
            if self._due[0][2] is watch:
                self._changed.notify()
        try:
            yield watch
        finally:
            with self._changed:
                watch.over = True

    def stop_all(self) -> int:
        """Stop every evaluation that runs; returns how many."""
        with self._changed:
            running = [watch for _, _, watch in self._due if not watch.over and not watch.expired]
            for watch in running:
                watch.expired = True
                watch.stop()
        return len(running)

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                while self._due and (self._due[0][2].over or self._due[0][0] <= now):
                    watch = heapq.heappop(self._due)[2]
                    if not watch.over and not watch.expired:
                        watch.expired = True
                        watch.stop()
                self._changed.wait(self._due[0][0] - now if self._due else None)


evaluations = Watchdog()
"""All of this process."""
