"""The devices of a simulated node: totals from the datastore, and link states under faults."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from dataclasses import replace

from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults.slots import Fault
from runtime_core.driver.faults.table import FaultKind, Side
from runtime_core.instance import DEVICE_MEMORY_BYTES
from runtime_core.telemetry.snapshot import (
    Device,
    EccCounts,
)
from runtime_core.topology import topology

_DEVICE_BLOCK = struct.Struct(f"<{ctypes.sizeof(layout.DeviceBlock) // 8}Q")


def devices_of_node(store: Datastore, dram: list[int], links: list[list[int]]) -> tuple[Device, ...]:
    """Return the visible devices; ``dram`` and ``links`` are bytes per device used and sent by the live runtimes."""
    devices = []
    for device in topology(store.size).devices:
        if device.index not in store.visible_devices:
            continue
        block = _DEVICE_BLOCK.unpack_from(store.map, layout.DEVICES_OFFSET + device.index * _DEVICE_BLOCK.size)
        devices.append(
            Device(
                device.index,
                device.bdf,
                device.core_ids,
                device.connected,
                device.east,
                device.west,
                DEVICE_MEMORY_BYTES,
                dram[device.index],
                EccCounts._make((*block[1:5], 0)),
                device.cpu_affinity,
                device.numa_node,
                block[5] + links[device.index][0],
                block[6] + links[device.index][1],
            )
        )
    return tuple(devices)


_BROKEN_LINKS = {FaultKind.LINK_DOWN: "down_links", FaultKind.LINK_SLOW: "slow_links"}


def with_link_states(device: Device, faults: Sequence[Fault]) -> Device:
    """Set the link states as the PCIe status registers report them; they do not show faults with a ratio below 1."""
    states: dict[str, list[int]] = {}
    for fault in faults:
        field = _BROKEN_LINKS.get(fault.kind)
        if field is None or fault.ratio < 1.0 or not fault.hits_device(device.index):
            continue
        for side, neighbour in ((Side.EAST, device.east), (Side.WEST, device.west)):
            if neighbour is not None and fault.side in (side, Side.BOTH) and neighbour not in states.get(field, ()):
                states.setdefault(field, []).append(neighbour)
    if not states:
        return device
    down, slow = (tuple(states.get(field, ())) for field in ("down_links", "slow_links"))
    return replace(device, down_links=down, slow_links=slow)
