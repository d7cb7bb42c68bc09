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
from neuron_top.remote.client import Client
from neuron_top.remote.endpoint import Endpoint
from neuron_top.remote.node import RemoteLook
from neuron_top.remote.scrape import FLEET_FAMILIES, Reader
from neuron_top.remote.summary import JSON, SummaryReader, read_summary, summary_path
from runtime_core.telemetry import NodeError

MAX_THREADS = 32
_MOST_PATIENT_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 30.0
"""A node that does not answer is asked less and less often, or it would take the threads from those that do."""

_SWITCH_SECONDS = 0.0005
"""How long a thread may hold the interpreter when another waits: keys must not wait for answers to be read."""

MakeLook = Callable[[Endpoint], Look]
_ASKED_AGAIN_SECONDS = 60.0
"""How long a monitor without a summary is asked for its metrics alone: it may be replaced by a newer one."""


class _Asker:
    """Asks one node: for its summary, or for its metrics where it has none."""

    def __init__(self, endpoint: Endpoint, fleet: Fleet) -> None:
        self._endpoint = endpoint
        self._fleet = fleet
        self._path = None if fleet.makes_looks else summary_path(endpoint.path)
        self._summaries = SummaryReader(str(endpoint), fleet.clean)
        self._look: Look | None = None
        self._without_summary_until = 0.0

    def row(self) -> NodeRow:
        """Query the node once.

        Raises:
            NodeError: it does not answer.
        """
        if self._path is not None and time.monotonic() >= self._without_summary_until:
            answer = self._fleet.client.get(self._endpoint, self._path, JSON, self._fleet.patience_seconds)
            # Exporters that know no paths answer any with their metrics.
            found = read_summary(answer.body) if (answer.status, answer.content_type) == (200, JSON) else None
            if found is not None:
                self._look = None
                return self._summaries.row(found, answer.age_seconds, time.monotonic())
            self._without_summary_until = time.monotonic() + _ASKED_AGAIN_SECONDS
        if self._look is None:
            self._look = self._fleet.make_look(self._endpoint, whole=False)
        return answered_row(str(self._endpoint), self._look.moment(), time.monotonic())


class _Watched(NamedTuple):
    number: int
    asker: _Asker
    failures: int


class Fleet:
    """Queries every node once per interval; :meth:`rows` returns what is known of each node.

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
        """No node is queried before :meth:`start`."""
        self.endpoints = tuple(endpoints)
        self.interval_seconds = interval_seconds
        self.clean = clean
        self.client = Client()
        self.patience_seconds = min(_MOST_PATIENT_SECONDS, max(1.0, interval_seconds))
        self._reading = threading.Lock()
        self._make_look = make_look
        self._reader = Reader(FLEET_FAMILIES)
        self._rows = [silent_row(str(endpoint), NOT_ASKED, None) for endpoint in self.endpoints]
        lock = threading.Lock()
        self._due_changed = threading.Condition(lock)
        self._free = threading.Condition(lock)
        self._timed = False
        self._due: list[tuple[float, int, _Watched]] = []
        self._order = itertools.count()
        self._ended = False

    @property
    def makes_looks(self) -> bool:
        """Whether nodes are looked at in a way of the caller's."""
        return self._make_look is not None

    def make_look(self, endpoint: Endpoint, *, whole: bool) -> Look:
        """A look at a node; ``whole``: at everything that it reports."""
        if self._make_look is not None:
            return self._make_look(endpoint)
        reader = None if whole else self._reader
        return RemoteLook(endpoint, self.patience_seconds, self.clean, self._reading, reader, self.client)

    def node_look(self, number: int) -> Look:
        """A node of the fleet to be looked at by itself, with everything that it reports."""
        return self.make_look(self.endpoints[number], whole=True)

    def start(self, *, at_once: bool = False) -> None:
        """Start the queries; with ``at_once``, do not spread the first ones over the interval."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        now = time.monotonic()
        spread = 0.0 if at_once else self.interval_seconds / max(1, len(self.endpoints))
        for number, endpoint in enumerate(self.endpoints):
            self._put(now + number * spread, _Watched(number, _Asker(endpoint, self), 0))
        for number in range(min(MAX_THREADS, len(self.endpoints))):
            threading.Thread(target=self._work, daemon=True, name=f"fleet-{number}").start()

    def stop(self) -> None:
        """End; answers that are still awaited are not waited for."""
        with self._free:
            self._ended = True
            self._due_changed.notify_all()
            self._free.notify_all()
        self.client.close()

    def rows(self) -> tuple[NodeRow, ...]:
        """What is known of each node now, in the order of the endpoints."""
        return tuple(self._rows)

    def _put(self, due: float, watched: _Watched) -> None:
        with self._free:
            heapq.heappush(self._due, (due, next(self._order), watched))
            if self._due[0][2] is watched:
                self._due_changed.notify()

    def _next(self) -> tuple[float, _Watched] | None:
        """Wait for the node that is due; ``None`` at the end.

        One thread waits for the time, the others for their turn: all of them would wake up for each node.
        """
        with self._free:
            while self._timed and not self._ended:
                self._free.wait()
            self._timed = True
            while not self._ended:
                pause = self._due[0][0] - time.monotonic() if self._due else None
                if pause is not None and pause <= 0:
                    break
                self._due_changed.wait(pause)
            self._timed = False
            self._free.notify()
            if self._ended:
                return None
            due, _, watched = heapq.heappop(self._due)
            return due, watched

    def _work(self) -> None:
        while (found := self._next()) is not None:
            due, watched = found
            try:
                row = watched.asker.row()
            except NodeError as error:
                old = self._rows[watched.number]
                self._rows[watched.number] = silent_row(old.endpoint, str(error), old)
                watched = watched._replace(failures=watched.failures + 1)
            else:
                self._rows[watched.number] = row
                watched = watched._replace(failures=0)
            longest = max(self.interval_seconds, _LONGEST_PAUSE_SECONDS)
            pause = min(longest, self.interval_seconds * 2 ** min(10, max(0, watched.failures - 1)))
            self._put(max(due + pause, time.monotonic()), watched)
