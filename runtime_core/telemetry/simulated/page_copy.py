"""One page of the datastore as it is at one moment, copied without disturbing its writer."""

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
"""Copies tried in a row before the writer is given the processor."""


class BeingWritten(Exception):
    """A page cannot be copied now."""


class PageCopy(NamedTuple):
    """Bytes of one page, all of one moment."""

    head: bytes
    cores: bytes
    buckets: tuple[bytes, bytes]
    first_core: int
    lows: tuple[int, int]
    time_ns: int


class PageReader:
    """Copies pages of an open datastore."""

    def __init__(self, store: Datastore, now_ns: Callable[[], int]) -> None:
        """``now_ns``: the node's time."""
        self._map = store.map
        self._words = memoryview(store.map).cast("Q")
        self._now_ns = now_ns
        self._stuck: dict[int, int] = {}

    def copy(self, offset: int, *, wait: bool) -> PageCopy | None:
        """The changing part of a page; ``None`` when its writer stands inside a write.

        Args:
            offset: of the page.
            wait: raise rather than give up.

        Raises:
            BeingWritten: with ``wait``.
        """
        words, data = self._words, self._map
        base = offset // 8
        stuck = self._stuck.pop(offset, None)
        if stuck is not None and words[base] == stuck:
            # It was waited for once: one that still stands there must not hold up every look at the others.
            self._stuck[offset] = stuck
            return None
        latency = offset + _Page.latency.offset
        # Where the parts lie is worked out before the copy: between the two looks at the sequence count stands only
        # what must be of one moment, so that the copy fits between two writes of even the busiest writer.
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
