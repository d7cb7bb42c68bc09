"""A simulated node as the driver's tree: what it is made of, and the directory that is kept showing it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from runtime_core.driver.datastore import Datastore
from runtime_core.driver.paths import node_root
from runtime_core.mirror.content import TreeContent
from runtime_core.mirror.export import export_tree
from runtime_core.mirror.lasting import read_lasting
from runtime_core.telemetry.simulated.source import SimulatedSource
from runtime_core.telemetry.snapshot import Snapshot

_PATIENCE_SECONDS = 0.1
"""A process that was killed while it folded its page leaves the sequence count odd until another one folds."""


class TreeReader:
    """Looks at a simulated node for what the driver's tree of it shows."""

    def __init__(self, root: Path | None = None) -> None:
        """Nothing is opened before it is needed (``root``: the node, default: the environment's)."""
        self._root = root or node_root()
        self._source = SimulatedSource(self._root)
        self._store: Datastore | None = None

    def _open(self) -> Datastore:
        if self._store is None or not self._store.still_there():
            self.close()
            self._store = Datastore(self._root)
        return self._store

    def look(self, cores: Sequence[int] | None = None) -> TreeContent:
        """Look at the node, and at what ``cores`` (global indices, default: all) keep of ended runtimes.

        Raises:
            NodeNotFoundError: there is no node.
            NodeError: it cannot be read.
        """
        store = self._open()
        wanted = range(store.size.core_count) if cores is None else cores
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            before = store.totals_sequence
            snapshot = self._source.snapshot()
            live = {core: runtime.start_ns for core, runtime in snapshot.core_owner.items()}
            lasting = read_lasting(store, wanted, live)
            # A page that was folded in between would be missed, or counted twice.
            if (not before & 1 and store.totals_sequence == before) or time.monotonic() > deadline:
                break
        return TreeContent(snapshot, lasting)

    def close(self) -> None:
        """Let go of the node."""
        self._source.close()
        if self._store is not None:
            self._store.close()
            self._store = None


class NodeMirror:
    """Keeps a directory showing a simulated node as the driver's sysfs would: ``--source sysfs:DIRECTORY`` reads it."""

    def __init__(self, directory: Path, root: Path | None = None) -> None:
        """Nothing is written yet.

        Args:
            directory: where to; made with mode 0700 when it is not there.
            root: the node (default: the environment's).
        """
        self._directory = directory
        self._reader = TreeReader(root)

    def refresh(self) -> Snapshot:
        """Write the node as it is now; returns the snapshot that was written.

        Raises:
            NodeNotFoundError: there is no node.
            NodeError: it cannot be read, or the directory holds something else.
            OSError: the directory cannot be written.
        """
        content = self._reader.look()
        export_tree(content, self._directory)
        return content.snapshot

    def close(self) -> None:
        """Let go of the node; the directory stays as it is."""
        self._reader.close()
