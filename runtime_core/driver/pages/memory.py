"""DRAM accounting: 8 GiB per device in two 4 GiB channels, shared by all processes that own cores of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.device_lock import locked_devices
from runtime_core.instance import CHANNEL_MEMORY_BYTES, CORES_PER_DEVICE, DEVICE_MEMORY_BYTES, DRAM_CHANNELS
from runtime_core.status import NrtError, NrtStatus
from runtime_core.topology import device_of_core

if TYPE_CHECKING:
    from runtime_core.driver.pages.page import RuntimePage


@dataclass(frozen=True, slots=True)
class Allocation:
    """DRAM held on one device: bytes by channel, on behalf of a core."""

    core: int
    channels: tuple[int, ...]

    @property
    def device(self) -> int:
        """The device that has the DRAM."""
        return device_of_core(self.core)

    @property
    def size_bytes(self) -> int:
        """Bytes over all channels."""
        return sum(self.channels)


def used_by_channel(store: Datastore, device: int) -> list[int]:
    """DRAM in use on a device by channel, over all live processes."""
    used = [0] * DRAM_CHANNELS
    for index in range(store.header.backed_pages):
        page = store.page(index)
        if page.state == layout.STATE_LIVE and store.page_alive(index):
            for channel in range(DRAM_CHANNELS):
                used[channel] += page.devices[device].dram_bytes[channel]
    return used


def _spread(size_bytes: int, near: int, free: list[int]) -> tuple[int, ...]:
    """Place an allocation completely on the near channel if possible, else on the other one, else on both."""
    split = [0] * DRAM_CHANNELS
    order = [near, *(c for c in range(DRAM_CHANNELS) if c != near)]
    whole = next((c for c in order if free[c] >= size_bytes), None)
    if whole is not None:
        split[whole] = size_bytes
        return tuple(split)
    for channel in order:
        split[channel] = min(size_bytes, free[channel])
        size_bytes -= split[channel]
    return tuple(split)


def _limited(free: list[int], limit_bytes: int) -> list[int]:
    """Free bytes by channel, limited to ``limit_bytes`` in total."""
    for channel, room in enumerate(free):
        free[channel] = min(room, limit_bytes)
        limit_bytes -= free[channel]
    return free


def allocate(
    page: RuntimePage, requests: Sequence[tuple[int, int]], limits: Mapping[int, int] | None = None
) -> list[Allocation]:
    """Allocate DRAM for (core, bytes) requests: all of them or none.

    A core's near channel is the first for cores 0 and 1 of a chip and the second for cores 2 and 3.

    Args:
        page: of the process.
        requests: core and bytes of each allocation.
        limits: device -> largest number of bytes that it may provide.

    Raises:
        NrtError: RESOURCE; names the device without enough memory.
    """
    store = page.store
    allocations: list[Allocation] = []
    devices = [device_of_core(core) for core, _ in requests]
    with locked_devices(store, devices):
        page.check_owned()
        free = {
            device: [CHANNEL_MEMORY_BYTES - used for used in used_by_channel(store, device)] for device in set(devices)
        }
        for device, limit_bytes in (limits or {}).items():
            free[device] = _limited(free[device], limit_bytes)
        free_bytes = {device: sum(room) for device, room in free.items()}
        for core, size_bytes in requests:
            device = device_of_core(core)
            room = free[device]
            if size_bytes > sum(room):
                wanted = sum(b for c, b in requests if device_of_core(c) == device)
                raise NrtError(
                    NrtStatus.RESOURCE,
                    f"not enough memory on Neuron Device {device}: {wanted} bytes requested, "
                    f"{free_bytes[device]} of {DEVICE_MEMORY_BYTES} free; "
                    "unload a model or use another device",
                )
            near = core % CORES_PER_DEVICE * DRAM_CHANNELS // CORES_PER_DEVICE
            channels = _spread(size_bytes, near, room)
            for channel, taken in enumerate(channels):
                room[channel] -= taken
            allocations.append(Allocation(core, channels))
        _publish(page, allocations, 1)
    return allocations


def release(page: RuntimePage, allocations: Sequence[Allocation]) -> None:
    """Free DRAM."""
    with locked_devices(page.store, [a.device for a in allocations]):
        _publish(page, allocations, -1)


def _publish(page: RuntimePage, allocations: Sequence[Allocation], sign: int) -> None:
    for allocation in allocations:
        held = page.dram_bytes(allocation.device)
        page.set_dram_bytes(allocation.device, [h + sign * c for h, c in zip(held, allocation.channels, strict=True)])
