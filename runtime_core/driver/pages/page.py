"""One runtime process's page of the datastore, which only its owner writes.

The hot calls (:meth:`RuntimePage.place`, :meth:`RuntimePage.count`) write through a view of aligned 8-byte words: one
assignment per word, so that a reader sees the old or the new value of each and never a mixture. They do not check that
the page still belongs to the process: an executor asks :meth:`RuntimePage.was_reset`, which does, before it places an
execution and again before it counts it.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.locks import TABLE_BYTE, page_byte
from runtime_core.driver.ownership import CLOSED, LOST, TRUNCATED, LostCoresError
from runtime_core.driver.pages import counting, model_table
from runtime_core.driver.pages import words as at
from runtime_core.driver.pages.claim import back_model_table, claim_page
from runtime_core.driver.pages.counting import ExecutionKind
from runtime_core.driver.pages.timeline import (
    BACKLOG_FLOPS,
    BACKLOG_NS,
    BUSY_NS,
    FLOPS,
    FREE_AT_NS,
    TIMELINE_WORDS,
    Timeline,
    reserved,
)
from runtime_core.driver.pages.totals import fold
from runtime_core.instance import CORES_PER_DEVICE, MAX_CORES, MAX_DEVICES

_T = TypeVar("_T")
_TRUST_NS = 1_000_000


class RuntimePage:
    """The calling process's page."""

    def __init__(
        self,
        store: Datastore,
        *,
        tag: str,
        command: str,
        version: str,
        address: str = "",
        framework: str = "",
        start_ns: int | None = None,
        pid: int | None = None,
    ) -> None:
        """Claim the first free page; the page of a dead process is folded and reused.

        Args:
            store: the node, opened for writing.
            tag: its name in the tools.
            command: its command line.
            version: of the runtime.
            address: where it serves; "": it does not serve.
            framework: name and version of the framework; "" if unknown.
            start_ns: when it started, default: now, by CLOCK_MONOTONIC.
            pid: the process id to show, default: this process's.

        Raises:
            NrtError: RESOURCE, when every page is claimed or the disk is full.
        """
        self.store = store
        self.index = claim_page(store)
        self._lock_byte = page_byte(self.index)
        self._losses = store.locks.losses
        self._trusted_until_ns = 0
        self.loss = ""
        self._guard = threading.Lock()
        self._pid = os.getpid()
        offset = layout.page_offset(self.index)
        # A word view for the hot path; the structure for everything else.
        self._words = memoryview(store.map)[offset : offset + layout.PAGE_BYTES].cast("Q")
        self._file_words = memoryview(store.map)[: layout.PAGES_OFFSET].cast("Q")
        self._resets = self._reset_counts()
        self._busy_until: memoryview | list[int] = self._file_words[at.BUSY_UNTIL : at.BUSY_UNTIL + MAX_CORES]
        starts = range(at.CORES, at.CORES + at.CORE_WORDS * MAX_CORES, at.CORE_WORDS)
        self._timelines: list[Timeline] = [self._words[start : start + TIMELINE_WORDS] for start in starts]
        self._page = store.page(self.index)
        ctypes.memset(ctypes.addressof(self._page), 0, layout.PAGE_HEAD_BYTES)
        page = self._page
        page.state = layout.STATE_CLAIMING
        page.pid = self._pid if pid is None else pid
        page.uid = os.getuid()
        page.start_ns = time.monotonic_ns() if start_ns is None else start_ns
        page.tag = tag.encode("utf-8", "replace")[:1023]
        page.command = command.encode("utf-8", "replace")[:2047]
        page.version = version.encode()[:31]
        page.address = address.encode("utf-8", "replace")[:255]
        page.framework = framework.encode("utf-8", "replace")[:63]
        for head in page.latency:
            head.low = len(page.buckets[0])
        page.state = layout.STATE_LIVE

    @property
    def start_ns(self) -> int:
        """CLOCK_MONOTONIC at which the page was claimed."""
        return int(self._page.start_ns)

    @property
    def pid(self) -> int:
        """The process that claimed it."""
        return self._pid

    @property
    def owned_by_this_process(self) -> bool:
        """False in a forked child: it must not write the parent's page."""
        return self._pid == os.getpid()

    def still_owned(self) -> bool:
        """Whether the page, and so the cores, still belong to this process; once lost, they stay lost.

        A process loses all its locks on a node together, so the page's lock represents those of its cores. ``loss``
        holds the reason.
        """
        if not self.loss:
            if not self.store.is_whole():
                self.loss = TRUNCATED
            elif not self._holds_lock():
                self.loss = LOST
        return not self.loss

    def _holds_lock(self) -> bool:
        locks = self.store.locks
        return self._losses == locks.losses and locks.still_holds(self._lock_byte)

    def check_owned(self) -> None:
        """Check that the process still owns the page.

        Raises:
            LostCoresError: another process may own it, or the datastore was truncated.
        """
        if not self.still_owned():
            raise LostCoresError(self.loss)

    def check_usable(self) -> None:
        """Check that the map can be read, and as :meth:`check_owned` if that was more than 1 ms ago.

        To ask the kernel for the lock takes as long as the rest of an execution's bookkeeping.

        Raises:
            LostCoresError: as :meth:`check_owned`.
        """
        now_ns = time.monotonic_ns()
        if now_ns > self._trusted_until_ns or self.loss or not self.store.is_whole():
            self.check_owned()
            self._trusted_until_ns = now_ns + _TRUST_NS

    def _guarded(self, change: Callable[[layout.Page], _T]) -> _T:
        with self._guard:
            self.check_owned()
            self._words[0] += 1
            try:
                return change(self._page)
            finally:
                self._words[0] += 1

    def own_cores(self, cores: Iterable[int]) -> None:
        """Publish the cores that the process owns (it holds their locks), and open their devices."""
        mask = sum(1 << core for core in cores)
        self._resets = self._reset_counts()

        def change(page: layout.Page) -> None:
            page.owned_cores = mask

        self._guarded(change)

    def _reset_counts(self) -> list[int]:
        return [self._file_words[at.RESETS + device * at.DEVICE_BLOCK_WORDS] for device in range(MAX_DEVICES)]

    def was_reset(self, cores: Sequence[int]) -> bool:
        """Whether a device of ``cores`` was reset since this process opened it: what it had there is lost.

        Raises:
            LostCoresError: as :meth:`check_usable`, which it calls.
        """
        self.check_usable()
        words, opened = self._file_words, self._resets
        for core in cores:
            device = core // CORES_PER_DEVICE
            if words[at.RESETS + device * at.DEVICE_BLOCK_WORDS] != opened[device]:
                return True
        return False

    def place(
        self, core: int, now_ns: int, earliest_ns: int, duration_ns: int, flops: int, timeout_ns: int | None = None
    ) -> tuple[int, int]:
        """Place an execution on a core, behind the work that is already there.

        The caller has called :meth:`was_reset`.

        Args:
            core: global NeuronCore.
            now_ns: CLOCK_MONOTONIC.
            earliest_ns: not before this (a pipeline's earlier stage must end first).
            duration_ns: modelled time on the core.
            flops: floating-point operations of it.
            timeout_ns: the core is released after this time, if it is shorter.

        Returns:
            When it starts and ends on the core, CLOCK_MONOTONIC.
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
                # Most executions of a busy process: the core is free, as reserved() would find at twice the cost.
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
        """Total time on ``core`` of the work placed on it, its backlog included."""
        return self._timelines[core][BUSY_NS]

    def busy_until_ns(self, core: int) -> int:
        """End of the work of a core of the node, for any owner (CLOCK_MONOTONIC; in the past when idle)."""
        return self._busy_until[core]

    def busy_count(self, cores: Sequence[int], now_ns: int) -> int:
        """How many of some cores of the node have work at ``now_ns`` (CLOCK_MONOTONIC), for any owner."""
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
            # A peak that was cleared since it was set starts again.
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
            name: of the NEFF.
            uuid: of the NEFF, 32 hex digits.
            subgraphs: for each core: (global core, host memory by category, device memory by category).
            running: started, or in standby.

        Raises:
            NrtError: RESOURCE, when the table is full, or the disk has no room for more of it.
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

    def release(self) -> None:
        """Fold the counters into the node's totals and release the page; a lost page belongs to its next owner."""
        if self.owned_by_this_process and self.still_owned():
            self.loss = CLOSED
            with self._guard:
                self.store.locks.wait(TABLE_BYTE)
                try:
                    if self.store.is_whole() and self._holds_lock():
                        fold(self.store, self.index)
                finally:
                    self.store.locks.unlock(TABLE_BYTE)
            self.store.locks.unlock(self._lock_byte)


assert MAX_DEVICES * 4 == MAX_CORES  # noqa: S101 - the layout's blocks rely on it
