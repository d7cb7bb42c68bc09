"""Counters and peaks of a simulated node that outlive its runtimes, read from the datastore (never written)."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.pages.totals import live_peaks
from runtime_core.telemetry.snapshot import CoreMemory, CoreStatusCounts, CoreUse
from runtime_core.topology import device_of_core

_Page = layout.Page
# Fields of a page: state, start_ns and owned_cores.
_PAGE_HEAD = struct.Struct("<8xI4xQQ")


class Lasting(NamedTuple):
    """Figures of a core that outlive its runtimes.

    Attributes:
        counts: counts of ended runtimes, minus the values that the counters had when they were cleared. Negative if
            live runtimes contributed to those values.
        reset_requests, refused_resets: resets of the core's device since the counters were cleared.
        memory_peaks: the highest device memory that one runtime used, in bytes: per category, then in total.
    """

    counts: CoreUse
    reset_requests: int
    refused_resets: int
    memory_peaks: tuple[int, ...]


def _totals(store: Datastore, core: int) -> layout.CoreTotals:
    return layout.CoreTotals.from_buffer_copy(store.map, layout.TOTALS_OFFSET + core * ctypes.sizeof(layout.CoreTotals))


def _blocks(store: Datastore, cores: Sequence[int]) -> Iterator[tuple[int, layout.CoreBlock, int]]:
    """Yield the core, its counters and the start of its runtime (ns), for each page in use."""
    backed = layout.FileHeader.from_buffer_copy(store.map).backed_pages
    for index in range(min(backed, layout.PAGE_COUNT)):
        at = layout.page_offset(index)
        state, start_ns, owned = _PAGE_HEAD.unpack_from(store.map, at)
        if state != layout.STATE_LIVE:
            continue
        for core in cores:
            if owned >> core & 1:
                block_at = at + _Page.cores.offset + core * ctypes.sizeof(layout.CoreBlock)
                yield core, layout.CoreBlock.from_buffer_copy(store.map, block_at), start_ns


def _lasting(store: Datastore, core: int, totals: layout.CoreTotals, counts: list[int], peaks: list[int]) -> Lasting:
    at = layout.DEVICES_OFFSET + device_of_core(core) * ctypes.sizeof(layout.DeviceBlock)
    device = layout.DeviceBlock.from_buffer_copy(store.map, at)
    resets = device.reset_count + device.refused_reset_count, device.refused_reset_count
    shown = [count - gone for count, gone in zip((*counts, *resets), totals.cleared, strict=True)]
    busy_ns, flops, inferences, loads, *statuses = shown[: layout.RUNTIME_COUNTER_COUNT]
    requests, refused = shown[layout.RUNTIME_COUNTER_COUNT :]
    return Lasting(
        CoreUse(busy_ns, flops, inferences, loads, CoreMemory(), CoreStatusCounts(*statuses)),
        requests,
        refused,
        tuple(peaks),
    )


def read_lasting(store: Datastore, cores: Sequence[int], live: Mapping[int, int]) -> dict[int, Lasting]:
    """Return the lasting figures of each core.

    Args:
        store: the node's datastore.
        cores: global core indices.
        live: global core index -> start (ns) of the runtime that owns the core in the accompanying snapshot. Counters
            of any other runtime are those of an ended one, even if its page has not been folded into the totals yet.
    """
    totals = {core: _totals(store, core) for core in cores}
    counts = {
        core: [t.busy_ns, t.flops, t.inference_count, t.model_load_count, *t.status] for core, t in totals.items()
    }
    peaks = {core: list(t.memory_peak) for core, t in totals.items()}
    for core, block, start_ns in _blocks(store, cores):
        peaks[core] = [max(pair) for pair in zip(peaks[core], live_peaks(block, totals[core]), strict=True)]
        if live.get(core) != start_ns:
            ended = block.busy_ns, block.flops, block.inference_count, block.model_load_count, *block.status
            counts[core] = [sum(pair) for pair in zip(counts[core], ended, strict=True)]
    return {core: _lasting(store, core, totals[core], counts[core], peaks[core]) for core in cores}
