"""Where snapshots come from: a simulated node's datastore, a real node's sysfs, or a recording."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from runtime_core.errors import UsageError
from runtime_core.telemetry.real_node import REAL_NODE
from runtime_core.telemetry.snapshot import Snapshot


class Source(Protocol):
    """A node that can be looked at any number of times."""

    @property
    def name(self) -> str:
        """What is read, e.g. ``sim:/tmp/neuron-sim-0`` or ``sysfs:/sys/devices/virtual/neuron_device``."""
        ...

    def snapshot(self, *, host: bool = False) -> Snapshot:
        """Look once; with ``host``, also at the host's vCPUs and memory and each runtime's CPU time.

        Raises:
            NodeNotFoundError: there is no node (now); a later call finds it when it is back.
            NodeError: the node is there but cannot be read.
        """
        ...

    def pin(self, pid: int, start_ns: int) -> int:
        """A pidfd of the process of a runtime that a snapshot showed; the caller closes it.

        Raises:
            UnprovenError: it is not proven that this process, on this machine, is that runtime; says why.
            NodeError: the node cannot be read.
        """
        ...

    def close(self) -> None:
        """Close what the source holds open."""
        ...


def open_source(spec: str | None = None) -> Source:
    """Choose the source.

    Args:
        spec: ``sim``, ``sysfs``, ``sysfs:ROOT`` or ``replay:FILE``; ``None`` takes ``$NEURON_SOURCE``, else a real node
            where there is one, else the simulated node. Where a recording is replayed as the simulated node, that is
            shown.

    Raises:
        UsageError: ``spec`` is none of these.
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
