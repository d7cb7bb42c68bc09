"""Reset devices and count resets: for a simulated node in its datastore, for a real one through the driver's file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from runtime_core.errors import NodeError
from runtime_core.telemetry import Source
from runtime_core.telemetry.real_node import REAL_NODE

_SIMULATED = "sim"


class Resetter(Protocol):
    """Resets Neuron Devices."""

    def reset(self, device: int) -> None:
        """Reset a device that no process uses.

        Raises:
            NeuronError: the reset failed.
        """
        ...


def reset_counts(source: Source) -> Callable[[int], int | None]:
    """Return a function for the number of resets of a device, which is ``None`` for real nodes (unknown)."""
    kind, _, root = source.name.partition(":")
    if kind != _SIMULATED:
        return lambda _device: None
    from runtime_core.driver.datastore import Datastore

    return Datastore(Path(root)).reset_count


def resetter_for(source: Source) -> Resetter:
    """Return a resetter for the devices of a source's node.

    Raises:
        NodeError: the node does not exist.
    """
    kind, _, root = source.name.partition(":")
    if kind == _SIMULATED:
        return SimulatedResetter(Path(root))
    return DriverResetter(Path(root)) if root else DriverResetter()


class SimulatedResetter:
    """Resets devices of a simulated node."""

    def __init__(self, root: Path) -> None:
        """Select the node in ``root``.

        Raises:
            NodeError: the node does not exist.
        """
        from runtime_core.driver.datastore import Datastore

        self._store = Datastore(root, writable=True)

    def reset(self, device: int) -> None:
        """See :class:`Resetter`."""
        from runtime_core.driver.reset import reset_device

        reset_device(self._store, device)


class DriverResetter:
    """Resets devices through ``neuron<N>/reset``, which only root may write, while no process uses the device."""

    def __init__(self, root: Path = REAL_NODE) -> None:
        """Select the driver's tree in ``root``."""
        self._root = root

    def reset(self, device: int) -> None:
        """See :class:`Resetter`."""
        path = self._root / f"neuron{device}" / "reset"
        try:
            with open(path, "w") as file:
                file.write("1\n")
        except OSError as error:
            raise NodeError(f"cannot reset the device: {error.strerror}", where=str(path)) from None
