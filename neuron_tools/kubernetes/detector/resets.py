"""Resets devices: of a simulated node in its datastore, of a real one through the driver's file."""

from __future__ import annotations

from pathlib import Path

from runtime_core.errors import NodeError
from runtime_core.telemetry.real_node import REAL_NODE


class SimulatedResetter:
    """Resets devices of a simulated node."""

    def __init__(self, root: Path) -> None:
        """Say which.

        Raises:
            NodeError: there is none.
        """
        from runtime_core.driver.datastore import Datastore

        self._store = Datastore(root, writable=True)

    def reset(self, device: int) -> None:
        """See :class:`neuron_tools.kubernetes.detector.detect.Resetter`."""
        from runtime_core.driver.reset import reset_device

        reset_device(self._store, device)


class DriverResetter:
    """Resets devices through ``neuron<N>/reset``, which the driver lets root write while nobody uses the device."""

    def __init__(self, root: Path = REAL_NODE) -> None:
        """Say where the driver's tree is."""
        self._root = root

    def reset(self, device: int) -> None:
        """See :class:`neuron_tools.kubernetes.detector.detect.Resetter`."""
        path = self._root / f"neuron{device}" / "reset"
        try:
            with open(path, "w") as file:
                file.write("1\n")
        except OSError as error:
            raise NodeError(f"cannot reset the device: {error.strerror}", where=str(path)) from None
