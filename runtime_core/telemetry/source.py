"""Sources of snapshots: a simulated node's datastore, the driver's sysfs tree, or a recording."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from runtime_core.errors import UsageError
from runtime_core.telemetry.real_node import REAL_NODE
from runtime_core.telemetry.snapshot import Snapshot


class Source(Protocol):
    """A node that can be read any number of times."""

    @property
    def name(self) -> str:
        """The location that is read, e.g. ``sim:/tmp/neuron-sim-0`` or ``sysfs:/sys/devices/virtual/neuron_device``."""
        ...

    def snapshot(self, *, host: bool = False) -> Snapshot:
        """Take a snapshot; with ``host``, include the host's vCPUs and memory and the CPU time of each runtime.

        Raises:
            NodeNotFoundError: the node does not exist now; a later call succeeds once it is back.
            NodeError: the node exists but cannot be read.
        """
        ...

    def pin(self, pid: int, start_ns: int) -> int:
        """Return a pidfd of the process of a runtime from a snapshot; the caller must close it.

        Raises:
            UnprovenError: this process on this machine cannot be proven to be that runtime; the message says why.
            NodeError: the node cannot be read.
        """
        ...

    def close(self) -> None:
        """Close the files that the source holds open."""
        ...


def open_source(spec: str | None = None) -> Source:
    """Open the source that a specification names.

    Args:
        spec: ``sim``, ``sysfs``, ``sysfs:ROOT`` or ``replay:FILE``. ``None`` uses ``$NEURON_SOURCE`` if it is set, then
            a real node if there is one, then the simulated node; if a recording is being replayed as the simulated
            node, that recording is used.

    Raises:
        UsageError: ``spec`` is not one of these.
        NeuronError: the recording cannot be read.
    """
    wanted = spec or os.environ.get("NEURON_SOURCE") or ("sysfs" if REAL_NODE.exists() else "sim")
    kind, _, root = wanted.partition(":")
    if kind == "sim":
        from runtime_core.driver.paths import REPLAY_FILE, node_root

        directory = Path(root) if root else node_root()
        if (directory / REPLAY_FILE).exists():
            from runtime_core.telemetry.recording.node import ReplayedNode

            return ReplayedNode(directory)
        from runtime_core.telemetry.simulated.source import SimulatedSource

        return SimulatedSource(directory)
    if kind == "sysfs":
        from runtime_core.telemetry.sysfs.source import SysfsSource

        return SysfsSource(Path(root) if root else REAL_NODE)
    if kind == "replay" and root:
        from runtime_core.telemetry.recording import ReplaySource

        return ReplaySource(Path(root))
    raise UsageError(f"unknown source {wanted!r}", mend="use sim, sysfs, sysfs:ROOT or replay:FILE")
