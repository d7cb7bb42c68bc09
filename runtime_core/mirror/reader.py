"""Read a simulated node as the content of a driver's tree, and keep a directory up to date with it."""

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
"""Longest wait for a page to be folded: a process killed while folding leaves the sequence count odd until the next."""


class TreeReader:
    """Reads from a simulated node the data that its sysfs tree contains."""

    def __init__(self, root: Path | None = None) -> None:
        """Create a reader; the node is opened on first use (``root``: default is the node of the environment)."""
        self._root = root or node_root()
        self._source = SimulatedSource(self._root)
        self._store: Datastore | None = None

    def _open(self) -> Datastore:
        if self._store is None or not self._store.still_there():
            self.close()
            self._store = Datastore(self._root)
        return self._store

    def look(self, cores: Sequence[int] | None = None) -> TreeContent:
        """Read the node, and the lasting figures of ``cores`` (global indices; the default is all cores).

        Raises:
            NodeNotFoundError: the node does not exist.
            NodeError: the node cannot be read.
        """
        store = self._open()
        wanted = range(store.size.core_count) if cores is None else cores
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            before = store.totals_sequence
            snapshot = self._source.snapshot()
            live = {core: runtime.start_ns for core, runtime in snapshot.core_owner.items()}
            lasting = read_lasting(store, wanted, live)
            # A page folded between the two reads would be counted twice or not at all.
            if (not before & 1 and store.totals_sequence == before) or time.monotonic() > deadline:
                break
        return TreeContent(snapshot, lasting)

    def close(self) -> None:
        """Close the node."""
        self._source.close()
        if self._store is not None:
            self._store.close()
            self._store = None


class NodeMirror:
    """Keeps a directory in the form of the driver's sysfs tree, for readers with ``--source sysfs:DIRECTORY``."""

    def __init__(self, directory: Path, root: Path | None = None) -> None:
        """Create a mirror; nothing is written until :meth:`refresh`.

        Args:
            directory: the destination; created with mode 0700 if it does not exist.
            root: the node's directory; the default is the node of the environment.
        """
        self._directory = directory
        self._reader = TreeReader(root)

    def refresh(self) -> Snapshot:
        """Write the current state of the node, and return the snapshot that was written.

        Raises:
            NodeNotFoundError: the node does not exist.
            NodeError: the node cannot be read, or the directory contains other files.
            OSError: the directory cannot be written.
        """
        content = self._reader.look()
        export_tree(content, self._directory)
        return content.snapshot

    def close(self) -> None:
        """Close the node; the directory is left as it is."""
        self._reader.close()
