"""The data that a runtime process writes on its page of the datastore: work, counts, memory and models.

The hot calls (:meth:`RuntimePage.place`, :meth:`RuntimePage.count`) write through a view of aligned 8-byte words: one
assignment per word, so that a reader sees the old or the new value of each and never a mixture. They do not check that
the page still belongs to the process. An executor calls :meth:`.OwnedPage.was_reset`, which does, before it places an
execution and again before it counts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from runtime_core.driver import layout
from runtime_core.driver.pages import counting, model_table
from runtime_core.driver.pages import words as at
from runtime_core.driver.pages.claim import back_model_table
from runtime_core.driver.pages.counting import ExecutionKind
from runtime_core.driver.pages.owned import OwnedPage
from runtime_core.driver.pages.timeline import BACKLOG_FLOPS, BACKLOG_NS, BUSY_NS, FLOPS, FREE_AT_NS, reserved
from runtime_core.instance import MAX_CORES, MAX_DEVICES


class RuntimePage(OwnedPage):
    """The calling process's page."""

    def place(
        self, core: int, now_ns: int, earliest_ns: int, duration_ns: int, flops: int, timeout_ns: int | None = None
    ) -> tuple[int, int]:
        """Place an execution on a core, behind the work that is already there.

        The caller has called :meth:`was_reset`.

        Args:
            core: global NeuronCore.
            now_ns: CLOCK_MONOTONIC.
            earliest_ns: earliest start (a pipeline's previous stage must end first).
            duration_ns: modelled time on the core.
            flops: floating-point operations of the execution.
            timeout_ns: the core is released after this time if it is shorter than ``duration_ns``.

        Returns:
            Start and end on the core, CLOCK_MONOTONIC.
        """
        if timeout_ns is not None and duration_ns > timeout_ns:
            flops = flops * timeout_ns // duration_ns
            duration_ns = timeout_ns
        words, timeline = self._words, self._timelines[core]
        with self._guard:
            if timeline[FREE_AT_NS] > now_ns:
                busy_ns, all_flops, end_ns, backlog_ns, backlog_flops = reserved(
                    timeline, now_ns, earliest_ns, duration_ns, flops
                )
            else:
                # The core is free, as for most executions. reserved() has the same result, at twice the cost.
                busy_ns, all_flops = timeline[BUSY_NS] + duration_ns, timeline[FLOPS] + flops
                end_ns, backlog_ns, backlog_flops = earliest_ns + duration_ns, duration_ns, flops
            sequence = words[0]
            words[0] = sequence + 1
            timeline[BUSY_NS] = busy_ns
            timeline[FLOPS] = all_flops
            timeline[FREE_AT_NS] = end_ns
            timeline[BACKLOG_NS] = backlog_ns
            timeline[BACKLOG_FLOPS] = backlog_flops
            words[0] = sequence + 2
        self._busy_until[core] = end_ns
        return end_ns - duration_ns, end_ns

    def busy_ns(self, core: int) -> int:
        """Total time on ``core`` of the work placed on it, including its backlog."""
        return self._timelines[core][BUSY_NS]

    def busy_until_ns(self, core: int) -> int:
        """End of the work of a core of the node, for any owner (CLOCK_MONOTONIC; in the past when idle)."""
        return self._busy_until[core]

    def busy_count(self, cores: Sequence[int], now_ns: int) -> int:
        """How many of the given cores of the node have work at ``now_ns`` (CLOCK_MONOTONIC), for any owner."""
        busy_until, busy = self._busy_until, 0
        for core in cores:
            if busy_until[core] > now_ns:
                busy += 1
        return busy

    def count(
        self,
        cores: Sequence[int],
        outcome: int,
        status: int,
        error: int | None,
        total_ns: int,
        device_ns: int,
    ) -> None:
        """Count one execution that ended.

        The caller has called :meth:`was_reset` or :meth:`check_owned`.

        Args:
            cores: the cores that it ran on (or would have).
            outcome: index into ExecutionCounts.
            status: index into CoreStatusCounts.
            error: index into ErrorCounts, ``None`` for a success.
            total_ns: latency as the caller saw it; negative: it never ran, so no latency is counted.
            device_ns: latency on the device.
        """
        words = self._words
        with self._guard:
            sequence = words[0]
            words[0] = sequence + 1
            counting.count_execution(words, cores, outcome, status, error, total_ns, device_ns)
            words[0] = sequence + 2

    def count_many(
        self,
        kind: ExecutionKind,
        times: int,
        total_latencies: Mapping[int, int],
        device_latencies: Mapping[int, int],
    ) -> None:
        """Count ``times`` executions of one kind; equivalent to that many calls of :meth:`count`.

        Args:
            kind: the first four arguments of :meth:`count`.
            times: number of executions.
            total_latencies: latency in nanoseconds -> count; empty for executions that never ran.
            device_latencies: the same on the device.
        """
        words = self._words
        with self._guard:
            self.check_owned()
            words[0] += 1
            counting.count_executions(words, kind, times, total_latencies, device_latencies)
            words[0] += 1

    def count_status(self, cores: Iterable[int], status: int) -> None:
        """Count a failure that is not an execution (``status``: index into CoreStatusCounts)."""
        with self._guard:
            self.check_owned()
            for core in cores:
                self._words[at.CORES + core * at.CORE_WORDS + at.STATUS + status] += 1

    def count_link(self, device: int, eastward: bool, size_bytes: int) -> None:
        """Count bytes that ``device`` sent over its East or West link; the caller has called :meth:`was_reset`."""
        with self._guard:
            self._words[at.DEVICES + device * at.DEVICE_WORDS + 2 + (not eastward)] += size_bytes

    def add_core_memory(self, core: int, category: int, delta_bytes: int) -> None:
        """Account device memory of a core (``category``: index into CoreMemory)."""
        with self._guard:
            self.check_owned()
            if delta_bytes < 0:
                self._raise_peaks(core, category)
            self._words[at.CORES + core * at.CORE_WORDS + at.MEMORY + category] += delta_bytes
            if delta_bytes > 0:
                self._raise_peaks(core, category)

    def _raise_peaks(self, core: int, category: int) -> None:
        words, base = self._words, at.CORES + core * at.CORE_WORDS
        used = words[base + at.MEMORY : base + at.MEMORY + layout.PEAK_COUNT - 1]
        for peak, now in ((category, used[category]), (layout.PEAK_COUNT - 1, sum(used))):
            # If the peak was cleared after it was set, it starts again.
            epoch = self._file_words[at.TOTALS + core * at.TOTALS_WORDS + at.CURRENT_EPOCHS + peak]
            if words[base + at.PEAK_EPOCHS + peak] != epoch or now > words[base + at.PEAKS + peak]:
                words[base + at.PEAKS + peak] = now
                words[base + at.PEAK_EPOCHS + peak] = epoch

    def add_host_memory(self, category: int, delta_bytes: int) -> None:
        """Account host memory (``category``: index into HostMemory)."""
        with self._guard:
            self.check_owned()
            self._words[at.HOST_MEMORY + category] += delta_bytes

    def dram_bytes(self, device: int) -> tuple[int, ...]:
        """DRAM of ``device`` that this process holds, by channel."""
        base = at.DEVICES + device * at.DEVICE_WORDS
        return tuple(self._words[base : base + 2])

    def set_dram_bytes(self, device: int, channels: Sequence[int]) -> None:
        """Publish DRAM use; the caller holds the device's lock."""
        self.check_owned()
        base = at.DEVICES + device * at.DEVICE_WORDS
        for channel, used in enumerate(channels):
            self._words[base + channel] = used

    def add_model(
        self,
        model_id: int,
        name: str,
        uuid: str,
        subgraphs: Sequence[tuple[int, Sequence[int], Sequence[int]]],
        *,
        running: bool = True,
    ) -> None:
        """Add a loaded model to the model table.

        Args:
            model_id: positive, unique in the process.
            name: name of the NEFF.
            uuid: UUID of the NEFF, 32 hex digits.
            subgraphs: for each core: (global core, host memory by category, device memory by category).
            running: started, or in standby.

        Raises:
            NrtError: RESOURCE, if the table or the disk is full.
        """

        def change(page: layout.Page) -> None:
            back_model_table(
                self.store, self.index, page.model_high_water + 1, page.subgraph_high_water + len(subgraphs)
            )
            model_table.enter(page, model_id, name, uuid, subgraphs, running=running)

        self._guarded(change)

    def remove_model(self, model_id: int) -> None:
        """Remove a model from the table; no effect if it is not in it."""
        self._guarded(lambda page: model_table.leave(page, model_id))

    def set_running(self, model_id: int, running: bool) -> None:
        """Mark a model as started or in standby."""
        self._guarded(lambda page: model_table.set_running(page, model_id, running))


assert MAX_DEVICES * 4 == MAX_CORES  # noqa: S101 - the layout's blocks rely on it
