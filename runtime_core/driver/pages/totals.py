"""Totals of a node's cores that outlive runtimes: counters, their cleared values, memory peaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.device_lock import locked_devices
from runtime_core.topology import device_of_core


@contextmanager
def _changing(store: Datastore) -> Iterator[None]:
    """Mark totals and pages as inconsistent for readers; the caller holds the table lock."""
    # A process that was killed here has left the count odd.
    store.header.totals_sequence |= 1
    try:
        yield
    finally:
        store.header.totals_sequence += 1


def fold(store: Datastore, index: int) -> None:
    """Add a page's counts to the node's lasting totals, and free the page.

    The caller holds the page's lock and the table lock.
    """
    page = store.page(index)
    if page.state == layout.STATE_LIVE:
        with _changing(store):
            for core in range(store.size.core_count):
                if page.owned_cores >> core & 1:
                    _fold_core(page.cores[core], store.core_totals(core))
            for device in range(store.size.device_count):
                target = store.device_block(device)
                for way in range(2):
                    target.link_bytes[way] += page.devices[device].link_bytes[way]
            page.state = layout.STATE_FREE
    page.state = layout.STATE_FREE
    page.owned_cores = 0


def _fold_core(block: layout.CoreBlock, totals: layout.CoreTotals) -> None:
    totals.busy_ns += block.busy_ns
    totals.flops += block.flops
    totals.inference_count += block.inference_count
    totals.model_load_count += block.model_load_count
    for status in range(len(block.status)):
        totals.status[status] += block.status[status]
    for category, peak in enumerate(live_peaks(block, totals)):
        totals.memory_peak[category] = max(totals.memory_peak[category], peak)


def live_peaks(block: layout.CoreBlock, totals: layout.CoreTotals) -> list[int]:
    """Peak memory of a runtime on a core since the last clear: by category, then in total (bytes)."""
    now = [*block.memory, sum(block.memory)]
    return [
        peak if epoch == current else used
        for used, peak, epoch, current in zip(now, block.memory_peak, block.peak_epoch, totals.peak_epoch, strict=True)
    ]


def clear_counter(store: Datastore, core: int, counter: int, read: Callable[[], int]) -> None:
    """Reset a counter of a core to zero; the runtimes' own counters do not change.

    Args:
        store: datastore of the node, open for writing.
        core: global index.
        counter: index in ``CoreTotals.cleared``.
        read: returns the current value of the counter; called while no other process clears counters.
    """
    with locked_devices(store, [device_of_core(core)]):
        store.core_totals(core).cleared[counter] += read()


def clear_peak(store: Datastore, core: int, category: int) -> None:
    """Reset a peak of device memory to the current use (``category``: index into CoreMemory, last: total)."""
    with locked_devices(store, [device_of_core(core)]):
        totals = store.core_totals(core)
        totals.memory_peak[category] = 0
        totals.peak_epoch[category] += 1
