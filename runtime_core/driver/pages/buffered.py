"""The page of a runtime under a virtual clock: what it counts is kept in lists and written in batches.

A virtual second can hold more executions than a reader could ever look between; readers see the node as it was at the
last :meth:`BufferedPage.flush`. After a flush the page's words are what :class:`RuntimePage` would have written.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence

from runtime_core.driver.datastore import Datastore
from runtime_core.driver.pages.counting import ExecutionKind
from runtime_core.driver.pages.page import RuntimePage
from runtime_core.driver.pages.timeline import TIMELINE_WORDS, Timeline
from runtime_core.instance import MAX_CORES


class Tally:
    """Executions of one kind that have yet to be written.

    Attributes:
        never_ran: those without a latency.
    """

    __slots__ = ("_by_device_ns", "never_ran")

    def __init__(self) -> None:
        """None yet."""
        self._by_device_ns: dict[int, list[int]] = {}
        self.never_ran = 0

    def totals_ns(self, device_ns: int) -> list[int]:
        """Where latencies in all of executions that were ``device_ns`` on the device are collected, one an execution.

        The list is emptied when they have been written, and never replaced.
        """
        found = self._by_device_ns.get(device_ns)
        if found is None:
            found = self._by_device_ns[device_ns] = []
        return found

    def take(self) -> tuple[int, Counter[int], dict[int, int]]:
        """Remove all: how many they were, and their latencies in all and on the device (nanoseconds -> count)."""
        totals: Counter[int] = Counter()
        devices: dict[int, int] = {}
        for device_ns, collected in self._by_device_ns.items():
            if collected:
                totals.update(collected)
                devices[device_ns] = len(collected)
                collected.clear()
        times = self.never_ran + sum(devices.values())
        self.never_ran = 0
        return times, totals, devices


class BufferedPage(RuntimePage):
    """A page whose counters reach the map when they are flushed. For one thread.

    Attributes:
        shared_busy_until_ns: until when each core of the node has work, of all runtimes under the clock.
        kept_latencies: where set, a flush adds the exact latencies of successful executions to it (nanoseconds -> how
            many).
    """

    def __init__(
        self,
        store: Datastore,
        busy_until_ns: list[int],
        *,
        tag: str,
        command: str,
        version: str,
        start_ns: int,
        pid: int,
    ) -> None:
        """Claim a page.

        Args:
            store: the node, opened for writing.
            tag: its name in the tools.
            command: its command line.
            version: of the runtime.
            start_ns: when it started, by the virtual clock.
            pid: the process id to show.
            busy_until_ns: until when each core of the node has work, shared by all runtimes under the clock.
        """
        super().__init__(store, tag=tag, command=command, version=version, start_ns=start_ns, pid=pid)
        self._mapped: list[Timeline] = self._timelines
        self._timelines: list[Timeline] = [[0] * TIMELINE_WORDS for _ in range(MAX_CORES)]
        self._busy_until: memoryview | list[int] = busy_until_ns
        self.shared_busy_until_ns = busy_until_ns
        self._tallies: dict[ExecutionKind, Tally] = {}
        self._released = False
        self.kept_latencies: Counter[int] | None = None

    def check_owned(self) -> None:
        """Nothing is written between two flushes: they look for themselves."""

    def timeline(self, core: int) -> Timeline:
        """The timeline of a core, for those who place executions on it by themselves."""
        return self._timelines[core]

    def tally(self, kind: ExecutionKind) -> Tally:
        """Where executions of one kind are collected."""
        found = self._tallies.get(kind)
        if found is None:
            found = self._tallies[kind] = Tally()
        return found

    def count(
        self, cores: Sequence[int], outcome: int, status: int, error: int | None, total_ns: int, device_ns: int
    ) -> None:
        """Count one execution that ended; see :meth:`RuntimePage.count`."""
        tally = self.tally((tuple(cores), outcome, status, error))
        if total_ns < 0:
            tally.never_ran += 1
        else:
            tally.totals_ns(device_ns).append(total_ns)

    def flush(self) -> bool:
        """Write everything to the page; ``False`` and no effect after :meth:`release`, which writes a last time."""
        if self._released or not self.still_owned():
            return False
        with self._guard:
            self._words[0] += 1
            for mapped, timeline in zip(self._mapped, self._timelines, strict=True):
                if timeline[0]:
                    mapped[:] = memoryview(array("Q", timeline))
            self._words[0] += 1
        for kind, tally in self._tallies.items():
            times, totals, devices = tally.take()
            if times:
                if self.kept_latencies is not None and kind[3] is None:
                    self.kept_latencies.update(totals)
                self.count_many(kind, times, totals, devices)
        return True

    def release(self) -> None:
        """Write what is left, fold it into the node's totals and give the page back; nothing is counted any more."""
        self.flush()
        self._released = True
        super().release()
