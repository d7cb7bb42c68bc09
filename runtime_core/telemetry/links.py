"""How the Neuron Devices of a node are joined, from their neighbours alone."""

from __future__ import annotations

from collections.abc import Sequence

from runtime_core.telemetry.snapshot import Device


def _torus_neighbours(index: int, count: int, columns: int) -> frozenset[int]:
    """Neighbours of a device in a torus of rows of ``columns`` devices."""
    row = index // columns * columns
    beside = {row + (index + 1) % columns, row + (index - 1) % columns}
    return frozenset(beside | {(index + columns) % count, (index - columns) % count}) - {index}


def torus_columns(devices: Sequence[Device]) -> int | None:
    """Devices per row of a two-dimensional torus, for example 4 on a trn1.32xlarge; ``None`` for any other shape.

    The order in which neighbours are listed is ignored: driver and tools list them differently.
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
