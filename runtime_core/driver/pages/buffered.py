"""The page of a runtime under a virtual clock: counts are kept in lists and written in batches.

A virtual second can contain more executions than a reader can observe, so readers see the node as of the last
:meth:`BufferedPage.flush`. After a flush, the page has the same words that :class:`RuntimePage` would have written.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence

from runtime_core.driver.datastore import Datastore
from runtime_core.driver.pages import words as at
from runtime_core.driver.pages.counting import ExecutionKind
from runtime_core.driver.pages.page import RuntimePage
from runtime_core.driver.pages.timeline import TIMELINE_WORDS, Timeline
from runtime_core.instance import MAX_CORES


class Tally:
    """Executions of one kind that are not yet written.

    Attributes:
        never_ran: executions without a latency.
    """

    __slots__ = ("_by_device_ns", "never_ran")

    def __init__(self) -> None:
        """Create an empty tally."""
        self._by_device_ns: dict[int, list[int]] = {}
        self.never_ran = 0

    def totals_ns(self, device_ns: int) -> list[int]:
        """The list of total latencies of executions with ``device_ns`` on the device, one per execution.

        After they were written, the list is emptied, but never replaced.
        """
        found = self._by_device_ns.get(device_ns)
        if found is None:
            found = self._by_device_ns[device_ns] = []
        return found

    def take(self) -> tuple[int, Counter[int], dict[int, int]] | None:
        """Remove all; returns their number, and their total and device latencies (nanoseconds -> count), if any."""
        filled = [(device_ns, totals_ns) for device_ns, totals_ns in self._by_device_ns.items() if totals_ns]
        if not filled and not self.never_ran:
            return None
        totals: Counter[int] = Counter()
        devices: dict[int, int] = {}
        for device_ns, totals_ns in filled:
            totals.update(totals_ns)
            devices[device_ns] = len(totals_ns)
            totals_ns.clear()
        times = self.never_ran + sum(devices.values())
        self.never_ran = 0
        return times, totals, devices


class BufferedPage(RuntimePage):
    """A page whose counters are written to the map when they are flushed. Not thread-safe.

    Attributes:
        shared_busy_until_ns: end of each core's work, over all runtimes under the clock.
        released: whether its runtime was closed; executions that it dropped are not counted.
        kept_latencies: if set, a flush adds the exact latencies of successful executions to it (nanoseconds ->
            count).
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
            version: version of the runtime.
            start_ns: its start, by the virtual clock.
            pid: the process id to show.
            busy_until_ns: end of each core's work, shared by all runtimes under the clock.
        """
        super().__init__(store, tag=tag, command=command, version=version, start_ns=start_ns, pid=pid)
        self._mapped: list[Timeline] = self._timelines
        self._timelines: list[Timeline] = [[0] * TIMELINE_WORDS for _ in range(MAX_CORES)]
        self._written: list[list[int]] = [[0] * TIMELINE_WORDS for _ in range(MAX_CORES)]
        self._busy_until: memoryview | list[int] = busy_until_ns
        self.shared_busy_until_ns = busy_until_ns
        self._tallies: dict[ExecutionKind, Tally] = {}
        self.released = False
        self.kept_latencies: Counter[int] | None = None

    def check_owned(self) -> None:
        """Do nothing: nothing is written between flushes, and a flush checks the ownership."""

    def check_usable(self) -> None:
        """Check that the map can be read.

        Raises:
            LostCoresError: the datastore was truncated.
        """
        if not self.store.is_whole():
            super().check_owned()

    def timeline(self, core: int) -> Timeline:
        """The timeline of a core, for callers that place executions on it directly."""
        return self._timelines[core]

    @property
    def link_words(self) -> memoryview:
        """The words of the page, for callers that count what crosses a link directly."""
        return self._words

    def link_word(self, device: int, eastward: bool) -> int:
        """The index in :attr:`link_words` of the bytes that ``device`` sent over its East or West link."""
        return at.DEVICES + device * at.DEVICE_WORDS + 2 + (not eastward)

    def tally(self, kind: ExecutionKind) -> Tally:
        """The collected executions of one kind."""
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
        """Write everything to the page; return ``False`` without an effect after :meth:`release`."""
        if self.released:
            return False
        moved = self._timelines != self._written
        taken = [(kind, new) for kind, tally in self._tallies.items() if (new := tally.take()) is not None]
        if not moved and not taken:
            return True
        if not self.still_owned():
            return False
        with self._guard:
            self._words[0] += 1
            for mapped, timeline, written in zip(self._mapped, self._timelines, self._written, strict=True):
                if timeline != written:
                    mapped[:] = memoryview(array("Q", timeline))
                    written[:] = timeline
            self._words[0] += 1
        for kind, (times, totals, devices) in taken:
            if self.kept_latencies is not None and kind[3] is None:
                self.kept_latencies.update(totals)
            self.count_many(kind, times, totals, devices)
        return True

    def release(self) -> None:
        """Write the rest, fold it into the node's totals and release the page. Nothing is counted after that."""
        self.flush()
        self.released = True
        super().release()
