"""ECC events of a device, counted for the life of the node."""

from __future__ import annotations

from runtime_core.driver.datastore import Datastore
from runtime_core.driver.device_lock import locked_devices

MEM_CORRECTED, MEM_UNCORRECTED, SRAM_CORRECTED, SRAM_UNCORRECTED = range(4)
"""Indices into EccCounts and ``DeviceBlock.ecc``."""


def count_ecc(store: Datastore, device: int, kind: int, events: int) -> None:
    """Add ``events`` of a ``kind`` to the counters of ``device``."""
    with locked_devices(store, [device]):
        store.device_block(device).ecc[kind] += events
