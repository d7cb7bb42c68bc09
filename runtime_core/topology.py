"""East/West links between the chips of an instance.

Source: ``contracts/hardware.md``: a line on inf1.6xlarge, a ring on inf1.24xlarge; firmware reports East, then West.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

from runtime_core.instance import (
    CORES_PER_DEVICE,
    InstanceType,
    LinkShape,
    cpu_affinity,
    numa_node,
    pci_bdf,
)


@dataclass(frozen=True, slots=True)
class Device:
    """One Neuron Device of an instance: address, links and NUMA node."""

    index: int
    bdf: str
    east: int | None
    west: int | None
    cpu_affinity: str
    numa_node: int

    @property
    def connected(self) -> tuple[int, ...]:
        """Neighbours in firmware order: East first, then West."""
        return tuple(n for n in (self.east, self.west) if n is not None)

    @property
    def core_ids(self) -> tuple[int, ...]:
        """Global indices of its NeuronCores."""
        first = self.index * CORES_PER_DEVICE
        return tuple(range(first, first + CORES_PER_DEVICE))


def device_of_core(core: int) -> int:
    """The Neuron Device that holds the global NeuronCore ``core``."""
    return core // CORES_PER_DEVICE


@dataclass(frozen=True, slots=True)
class Topology:
    """The devices of an instance and their links."""

    size: InstanceType
    devices: tuple[Device, ...]

    def neighbours(self, device: int) -> tuple[int, ...]:
        """Devices linked to ``device``, East first."""
        return self.devices[device].connected

    def contiguous(self, devices: Iterable[int]) -> bool:
        """Whether the devices are serially connected: one chain of links, which may wrap around a ring."""
        chosen = set(devices)
        if not chosen:
            return False
        reached = {next(iter(chosen))}
        frontier = list(reached)
        while frontier:
            for neighbour in self.neighbours(frontier.pop()):
                if neighbour in chosen and neighbour not in reached:
                    reached.add(neighbour)
                    frontier.append(neighbour)
        return reached == chosen

    def device_hops(self, source: int, target: int) -> int:
        """Links that a transfer from one device to another crosses, the shorter way round on a ring."""
        distance = abs(source - target)
        return min(distance, len(self.devices) - distance) if self.size.links is LinkShape.RING else distance

    def core_hops(self, source_core: int, target_core: int) -> int:
        """Links between two global NeuronCores; 0 on the same chip."""
        return self.device_hops(device_of_core(source_core), device_of_core(target_core))

    def path(self, source: int, target: int) -> tuple[tuple[int, bool], ...]:
        """The links from ``source`` to ``target`` as (sending device, eastward), the shorter way, East on a tie."""
        count = len(self.devices)
        eastward = target > source
        if self.size.links is LinkShape.RING:
            eastward = (target - source) % count <= count // 2
        hops = self.device_hops(source, target)
        step = 1 if eastward else -1
        return tuple(((source + step * i) % count, eastward) for i in range(hops))


@functools.cache
def topology(size: InstanceType) -> Topology:
    """Lay out the devices of an instance size."""
    count = size.device_count
    wraps = size.links is LinkShape.RING

    def neighbour(index: int) -> int | None:
        if wraps:
            return index % count
        return index if 0 <= index < count else None

    return Topology(
        size,
        tuple(
            Device(i, pci_bdf(size, i), neighbour(i + 1), neighbour(i - 1), cpu_affinity(size, i), numa_node(size, i))
            for i in range(count)
        ),
    )
