"""Many nodes, asked side by side by a bounded number of threads."""

from __future__ import annotations

import heapq
import itertools
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from neuron_console.text import printable
from neuron_top.looks import Look
from neuron_top.model.fleet import NOT_ASKED, NodeRow, answered_row, silent_row
from neuron_top.model.moment import Clean
from neuron_top.remote.endpoint import Endpoint
from neuron_top.remote.node import RemoteLook
from neuron_top.remote.scrape import FLEET_FAMILIES, Reader
from runtime_core.telemetry import NodeError

MAX_THREADS = 32
_MOST_PATIENT_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 30.0
"""A node that does not answer is asked less and less often, or it would take the threads from those that do."""

_SWITCH_SECONDS = 0.0005
"""How long a thread may hold the interpreter when another waits: keys must not wait for answers to be read."""

MakeLook = Callable[[Endpoint], Look]


class _Watched(NamedTuple):
    number: int
    look: Look
    failures: int


class Fleet:
    """Asks every node once an interval; :meth:`rows` tells what is known of each.

    Requests are spread evenly over the interval. Answers are taken apart one at a time: more threads would only take
    the interpreter from each other, and from the keys.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        interval_seconds: float = 5.0,
        clean: Clean = printable,
        make_look: MakeLook | None = None,
    ) -> None:
        """Nothing is asked before :meth:`start`."""
        self.endpoints = tuple(endpoints)
        self.interval_seconds = interval_seconds
        self._clean = clean
        self._reading = threading.Lock()
        self._make_look = make_look
        self._reader = Reader(FLEET_FAMILIES)
        self._rows = [silent_row(str(endpoint), NOT_ASKED, None) for endpoint in self.endpoints]
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, _Watched]] = []
        self._order = itertools.count()
        self._ended = False

    def _look(self, endpoint: Endpoint, reader: Reader | None) -> Look:
        if self._make_look is not None:
            return self._make_look(endpoint)
        patience = min(_MOST_PATIENT_SECONDS, max(1.0, self.interval_seconds))
        return RemoteLook(endpoint, patience, self._clean, self._reading, reader)

    def node_look(self, number: int) -> Look:
        """A node of the fleet to be looked at by itself, with everything that it tells."""
        return self._look(self.endpoints[number], None)

    def start(self) -> None:
        """Begin to ask."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        now = time.monotonic()
        spread = self.interval_seconds / max(1, len(self.endpoints))
        for number, endpoint in enumerate(self.endpoints):
            self._put(now + number * spread, _Watched(number, self._look(endpoint, self._reader), 0))
        for number in range(min(MAX_THREADS, len(self.endpoints))):
            threading.Thread(target=self._work, daemon=True, name=f"fleet-{number}").start()

    def stop(self) -> None:
        """End; answers that are still awaited are not waited for."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def rows(self) -> tuple[NodeRow, ...]:
        """What is known of each node now, in the order of the endpoints."""
        return tuple(self._rows)

    def _put(self, due: float, watched: _Watched) -> None:
        with self._changed:
            heapq.heappush(self._due, (due, next(self._order), watched))
            self._changed.notify()

    def _next(self) -> tuple[float, _Watched] | None:
        """Wait for the node that is due; ``None`` at the end."""
        with self._changed:
            while not self._ended:
                pause = self._due[0][0] - time.monotonic() if self._due else None
                if pause is not None and pause <= 0:
                    due, _, watched = heapq.heappop(self._due)
                    return due, watched
                self._changed.wait(pause)
        return None

    def _work(self) -> None:
        while (found := self._next()) is not None:
            due, watched = found
            try:
                moment = watched.look.moment()
            except NodeError as error:
                old = self._rows[watched.number]
                self._rows[watched.number] = silent_row(old.endpoint, str(error), old)
                watched = watched._replace(failures=watched.failures + 1)
            else:
                self._rows[watched.number] = answered_row(str(self.endpoints[watched.number]), moment, time.monotonic())
                watched = watched._replace(failures=0)
            longest = max(self.interval_seconds, _LONGEST_PAUSE_SECONDS)
            pause = min(longest, self.interval_seconds * 2 ** min(10, max(0, watched.failures - 1)))
            self._put(max(due + pause, time.monotonic()), watched)
