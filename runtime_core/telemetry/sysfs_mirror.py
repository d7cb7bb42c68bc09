"""The mirror of a simulated node: its snapshot, and what its ended runtimes left, as the driver's tree."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.paths import node_root
from runtime_core.telemetry.simulated import SimulatedSource
from runtime_core.telemetry.snapshot import CoreMemory, CoreStatusCounts, CoreUse, Snapshot
from runtime_core.telemetry.sysfs_export import export_tree

_TRIES = 5


def _ended_blocks(store: Datastore) -> Iterator[tuple[int, layout.CoreTotals | layout.CoreBlock]]:
    """Core and counters: the node's totals, then the pages of dead runtimes that nobody has folded into them yet."""
    for core in range(store.size.core_count):
        offset = layout.TOTALS_OFFSET + core * ctypes.sizeof(layout.CoreTotals)
        yield core, layout.CoreTotals.from_buffer_copy(store.map, offset)
    backed = layout.FileHeader.from_buffer_copy(store.map).backed_pages
    for index in range(min(backed, layout.PAGE_COUNT)):
        state_at = layout.page_offset(index) + layout.Page.state.offset
        if int.from_bytes(store.map[state_at : state_at + 4], "little") != layout.STATE_LIVE or store.page_alive(index):
            continue
        page = layout.Page.from_buffer_copy(store.map, layout.page_offset(index))
        for core in range(store.size.core_count):
            if page.owned_cores >> core & 1:
                yield core, page.cores[core]


def ended_counts(root: Path) -> dict[int, CoreUse]:
    """What runtimes that have ended counted on each core of the simulated node in ``root``, by global core index.

    Raises:
        NodeNotFoundError: there is no node.
        NodeError: it can't be read.
    """
    store = Datastore(root)
    try:
        sums = [[0] * (4 + len(CoreStatusCounts._fields)) for _ in range(store.size.core_count)]
        for core, block in _ended_blocks(store):
            counts = (block.busy_ns, block.flops, block.inference_count, block.model_load_count, *block.status)
            sums[core] = [total + count for total, count in zip(sums[core], counts, strict=True)]
    finally:
        store.close()
    return {
        core: CoreUse(busy_ns, flops, inferences, loads, CoreMemory(), CoreStatusCounts(*statuses))
        for core, (busy_ns, flops, inferences, loads, *statuses) in enumerate(sums)
    }


class NodeMirror:
    """Keeps a directory showing a simulated node as the driver's sysfs would: ``--source sysfs:DIRECTORY`` reads it."""

    def __init__(self, directory: Path, root: Path | None = None) -> None:
        """Nothing is written yet.

        Args:
            directory: where to; made with mode 0700 when it is not there.
            root: the node (default: the environment's).
        """
        self._directory = directory
        self._root = root or node_root()
        self._source = SimulatedSource(self._root)

    def refresh(self) -> Snapshot:
        """Write the node as it is now; returns the snapshot that was written.

        Raises:
            NodeNotFoundError: there is no node.
            NodeError: it can't be read, or the directory holds something else.
            OSError: the directory can't be written.
        """
        ended = ended_counts(self._root)
        for _ in range(_TRIES):
            snapshot = self._source.snapshot()
            before, ended = ended, ended_counts(self._root)
            # A runtime that ended in between would be missed, or counted twice.
            if ended == before:
                break
        export_tree(snapshot, self._directory, ended)
        return snapshot

    def close(self) -> None:
        """Let go of the node; the directory stays as it is."""
        self._source.close()
