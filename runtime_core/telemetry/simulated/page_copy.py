"""Take a consistent copy of one page of the datastore without disturbing its writer."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.histogram import BUCKET_COUNT
from runtime_core.telemetry.simulated.page_parts import CORE_BYTES

_Page = layout.Page
_HEAD_BYTES = _Page.cores.offset
_CORES_AT = _Page.cores.offset
_BUCKETS_AT = _Page.buckets.offset
_OWNED_WORD = _Page.owned_cores.offset // 8
_LAYOUT_WORDS = struct.Struct("<8xQQ8xQQ")
_OWNED = struct.Struct("<Q")
_TRIES = 200
"""Number of attempts before the reader yields the processor to the writer."""


class BeingWritten(Exception):
    """The page cannot be copied now because it is being written."""


class PageCopy(NamedTuple):
    """Bytes of one page, all from the same moment."""

    head: bytes
    cores: bytes
    buckets: tuple[bytes, bytes]
    first_core: int
    lows: tuple[int, int]
    time_ns: int


class PageReader:
    """Copies pages of an open datastore."""

    def __init__(self, store: Datastore, now_ns: Callable[[], int]) -> None:
        """Create a reader; ``now_ns`` returns the node's time in nanoseconds."""
        self._map = store.map
        self._words = memoryview(store.map).cast("Q")
        self._now_ns = now_ns
        self._stuck: dict[int, int] = {}

    def copy(self, offset: int, *, wait: bool) -> PageCopy | None:
        """Copy the changing part of a page, or return ``None`` if its writer was stopped in the middle of a write.

        Args:
            offset: offset of the page in bytes.
            wait: raise instead of returning ``None`` while a writer may still finish.

        Raises:
            BeingWritten: the page is being written and ``wait`` is true.
        """
        words, data = self._words, self._map
        base = offset // 8
        stuck = self._stuck.pop(offset, None)
        if stuck is not None and words[base] == stuck:
            # The reader has already waited for this writer once; it must not delay every later snapshot.
            self._stuck[offset] = stuck
            return None
        latency = offset + _Page.latency.offset
        # Offsets are computed before the copy, so that only the copy itself happens between the two reads of the
        # sequence count. It then fits between two writes of even the busiest writer.
        owned = words[base + _OWNED_WORD]
        first = (owned & -owned).bit_length() - 1 if owned else 0
        cores_from = offset + _CORES_AT + first * CORE_BYTES
        cores_to = offset + _CORES_AT + owned.bit_length() * CORE_BYTES
        low, high, other_low, other_high = _LAYOUT_WORDS.unpack_from(data, latency)
        at = offset + _BUCKETS_AT
        total = slice(at + low * 8, at + (high + 1) * 8)
        at += BUCKET_COUNT * 8
        device = slice(at + other_low * 8, at + (other_high + 1) * 8)
        end = offset + _HEAD_BYTES
        before = 0
        for _ in range(_TRIES):
            before = words[base]
            if before & 1:
                continue
            head, cores = data[offset:end], data[cores_from:cores_to]
            total_buckets, device_buckets = data[total], data[device]
            if words[base] != before:
                continue
            now_ns = self._now_ns()
            if _LAYOUT_WORDS.unpack_from(head, _Page.latency.offset) != (low, high, other_low, other_high):
                break
            if _OWNED.unpack_from(head, _Page.owned_cores.offset)[0] != owned:
                break
            return PageCopy(head, cores, (total_buckets, device_buckets), first, (low, other_low), now_ns)
        if wait:
            raise BeingWritten
        if before & 1 and words[base] == before:
            self._stuck[offset] = before
        return None
