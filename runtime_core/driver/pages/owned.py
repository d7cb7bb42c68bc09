"""The calling process's claim on a page of the datastore: claim a page, check that it is still owned, release it.

:meth:`OwnedPage.was_reset` is a hot call: an executor uses it before it places an execution and again before it counts
it.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.locks import TABLE_BYTE, page_byte
from runtime_core.driver.ownership import CLOSED, LOST, TAKEN_DOWN, TRUNCATED, LostCoresError
from runtime_core.driver.pages import words as at
from runtime_core.driver.pages.claim import claim_page
from runtime_core.driver.pages.timeline import TIMELINE_WORDS, Timeline
from runtime_core.driver.pages.totals import fold
from runtime_core.instance import CORES_PER_DEVICE, MAX_CORES, MAX_DEVICES

_T = TypeVar("_T")
_TRUST_NS = 1_000_000


class OwnedPage:
    """A page that belongs to the calling process until it is released or lost."""

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
            version: version of the runtime.
            address: the address at which it serves; "": none.
            framework: name and version of the framework; "" if unknown.
            start_ns: start of the runtime by CLOCK_MONOTONIC; default: now.
            pid: the process id to show; default: that of this process.

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
        self._resets = self._file_words[at.RESETS :: at.DEVICE_BLOCK_WORDS][:MAX_DEVICES]
        self._opened = self._resets.tolist()
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
        """False in a forked child, which must not write the parent's page."""
        return self._pid == os.getpid()

    def still_owned(self) -> bool:
        """Whether the page, and therefore the cores, still belong to this process. A loss is permanent.

        A process loses all its locks on a node together, so the page's lock represents those of its cores. ``loss``
        holds the reason.
        """
        if not self.loss:
            if not self.store.is_whole():
                self.loss = TRUNCATED
            elif self.store.is_removed():
                self.loss = TAKEN_DOWN
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
        """Check that the map can be read; call :meth:`check_owned` if the last call was more than 1 ms ago.

        Querying the lock takes the kernel as long as the rest of an execution's bookkeeping.

        Raises:
            LostCoresError: as :meth:`check_owned`.
        """
        now_ns = time.monotonic_ns()
        if now_ns > self._trusted_until_ns or self.loss or not self.store.is_whole():
            self.check_owned()
            self._trusted_until_ns = now_ns + _TRUST_NS

    def own_cores(self, cores: Iterable[int]) -> None:
        """Publish the cores that the process owns (it holds their locks), and open their devices."""
        mask = sum(1 << core for core in cores)
        self._opened = self._resets.tolist()

        def change(page: layout.Page) -> None:
            page.owned_cores = mask

        self._guarded(change)

    def was_reset(self, cores: Sequence[int]) -> bool:
        """Whether a device of ``cores`` was reset since this process opened it, and its data there was lost.

        Raises:
            LostCoresError: as :meth:`check_usable`, which it calls.
        """
        # What check_usable() finds most of the time, without calling it.
        if self.loss or time.monotonic_ns() > self._trusted_until_ns or not self.store.is_whole():
            self.check_usable()
        resets, opened = self._resets, self._opened
        for core in cores:
            device = core // CORES_PER_DEVICE
            if resets[device] != opened[device]:
                return True
        return False

    def _guarded(self, change: Callable[[layout.Page], _T]) -> _T:
        with self._guard:
            self.check_owned()
            self._words[0] += 1
            try:
                return change(self._page)
            finally:
                self._words[0] += 1

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
