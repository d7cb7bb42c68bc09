"""The shape of the links between Neuron Devices, derived from the neighbours of each device."""

from __future__ import annotations

from collections.abc import Sequence

from runtime_core.telemetry.snapshot import Device


def _torus_neighbours(index: int, count: int, columns: int) -> frozenset[int]:
    """Return the neighbours of a device in a torus with rows of ``columns`` devices."""
    row = index // columns * columns
    beside = {row + (index + 1) % columns, row + (index - 1) % columns}
    return frozenset(beside | {(index + columns) % count, (index - columns) % count}) - {index}


def torus_columns(devices: Sequence[Device]) -> int | None:
    """Return the devices per row of a two-dimensional torus (4 on a trn1.32xlarge), or ``None`` for any other shape.

    The order of neighbours is ignored, because the driver and the tools list them in different orders.
    """
    by_index = {device.index: frozenset(device.connected) for device in devices}
    count = len(by_index)
    if sorted(by_index) != list(range(count)):
        return None
    for columns in range(2, count // 2 + 1):
        if count % columns == 0 and all(
            linked == _torus_neighbours(index, count, columns) for index, linked in by_index.items()
        ):
            return columns
    return None
