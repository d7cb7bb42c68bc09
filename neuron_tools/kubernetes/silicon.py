"""The Neuron Devices of a node as Kubernetes allocates them: their number, their links, and the contiguous sets.

Source of the rules: ``contracts/kubernetes.md``, "Contiguity rules". An id is the global index, as in the metrics.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

_TORUS_SIZES = (1, 4, 8, 16)
_TORUS_DEVICES = 16


class Shape(enum.Enum):
    """The shape of the links between the devices of a node."""

    SEPARATE = "separate"
    LINE = "line"
    RING = "ring"
    TORUS = "torus"


class Silicon(NamedTuple):
    """The devices and cores of a node.

    Attributes:
        device_count: number of Neuron Devices; their ids are 0 to ``device_count - 1``.
        cores_per_device: NeuronCores per device (logical cores, if the chip combines several).
        shape: shape of the links.
    """

    device_count: int
    cores_per_device: int
    shape: Shape

    @property
    def core_count(self) -> int:
        """Number of NeuronCores of the node."""
        return self.device_count * self.cores_per_device

    def cores_of(self, device: int) -> range:
        """Return the global indices of a device's cores."""
        return range(device * self.cores_per_device, (device + 1) * self.cores_per_device)

    def devices_of(self, cores: Iterable[int]) -> tuple[int, ...]:
        """Return the devices that contain these cores, ascending."""
        return tuple(sorted({core // self.cores_per_device for core in cores}))


_S, _L, _R, _T = Shape.SEPARATE, Shape.LINE, Shape.RING, Shape.TORUS
INSTANCES: Mapping[str, Silicon] = {
    "inf1.xlarge": Silicon(1, 4, _S),
    "inf1.2xlarge": Silicon(1, 4, _S),
    "inf1.6xlarge": Silicon(4, 4, _L),
    "inf1.24xlarge": Silicon(16, 4, _R),
    "inf2.xlarge": Silicon(1, 2, _S),
    "inf2.8xlarge": Silicon(1, 2, _S),
    "inf2.24xlarge": Silicon(6, 2, _L),
    "inf2.48xlarge": Silicon(12, 2, _R),
    "trn1.2xlarge": Silicon(1, 2, _S),
    "trn1.32xlarge": Silicon(16, 2, _T),
    "trn1n.32xlarge": Silicon(16, 2, _T),
    "trn2.3xlarge": Silicon(1, 4, _S),
    "trn2.48xlarge": Silicon(16, 4, _T),
    "trn2u.48xlarge": Silicon(16, 4, _T),
}
"""By EC2 instance type, for a scheduler that knows only the label of a node."""


def shape_of(links: Mapping[int, Iterable[int]]) -> Shape:
    """Return the shape that links form.

    Args:
        links: device -> the devices it is linked to; empty if its links are unknown.
    """
    joined = {device: set(others) & links.keys() - {device} for device, others in links.items()}
    count = len(joined)
    edges = {frozenset((device, other)) for device, others in joined.items() for other in others}
    line = {frozenset((index, index + 1)) for index in range(count - 1)}
    if count > 1 and edges == line:
        return Shape.LINE
    if count > 2 and edges == line | {frozenset((0, count - 1))}:
        return Shape.RING
    if count == _TORUS_DEVICES and all(len(others) == 4 for others in joined.values()):
        return Shape.TORUS
    return Shape.SEPARATE


def device_sets(silicon: Silicon, count: int) -> list[tuple[int, ...]]:
    """Return every set of ``count`` devices that may be allocated together; empty if the number is not supported."""
    total = silicon.device_count
    if not 0 < count <= total:
        return []
    if count in (1, total):
        return [tuple(range(i, i + count)) for i in range(total - count + 1)]
    match silicon.shape:
        case Shape.LINE:
            return [tuple(range(i, i + count)) for i in range(total - count + 1)]
        case Shape.RING:
            return [tuple((i + step) % total for step in range(count)) for i in range(total)]
        case Shape.TORUS if count in _TORUS_SIZES:
            return [tuple(range(i, i + count)) for i in range(0, total, count)]
        case _:
            return []


def core_sets(silicon: Silicon, count: int) -> list[tuple[int, ...]]:
    """Return every set of ``count`` cores that may be allocated together.

    Fewer cores than a device has are on one device. More are whole neighbouring devices, and if these are too many,
    only the first cores of the last device.
    """
    each = silicon.cores_per_device
    if not 0 < count <= silicon.core_count:
        return []
    if count < each:
        return [
            tuple(range(first, first + count))
            for device in range(silicon.device_count)
            for first in range(device * each, (device + 1) * each - count + 1)
        ]
    whole, rest = divmod(count, each)
    sets = []
    for devices in device_sets(silicon, whole + bool(rest)):
        if rest and list(devices) != sorted(devices):
            continue
        cores = [core for device in devices for core in silicon.cores_of(device)]
        sets.append(tuple(cores[:count]))
    return sets


def _runs(free: frozenset[int], total: int, *, wraps: bool) -> dict[int, int]:
    """Return, for each free index, the length of the run of free indices that contains it."""
    runs: list[list[int]] = []
    for index in sorted(free):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    if wraps and len(runs) > 1 and runs[0][0] == 0 and runs[-1][-1] == total - 1:
        runs[0] += runs.pop()
    return {index: len(run) for run in runs for index in run}


def _best(
    sets: Iterable[tuple[int, ...]], free: frozenset[int], must: frozenset[int], left: Mapping[int, int]
) -> tuple[int, ...] | None:
    possible = (found for found in sets if free.issuperset(found) and must.issubset(found))
    return min(possible, key=lambda found: (left[found[0]], found), default=None)


def choose_devices(
    silicon: Silicon, count: int, free: Iterable[int], must: Iterable[int] = ()
) -> tuple[int, ...] | None:
    """Return the contiguous set that leaves the longest runs free: the smallest gap, then the lowest index.

    Args:
        silicon: devices of the node.
        count: number of devices to choose.
        free: ids that may be chosen.
        must: ids that must be chosen.

    Returns:
        The ids, or ``None`` if no such set is free.
    """
    available = frozenset(free)
    left = _runs(available, silicon.device_count, wraps=silicon.shape is Shape.RING)
    return _best(device_sets(silicon, count), available, frozenset(must), left)


def choose_cores(silicon: Silicon, count: int, free: Iterable[int], must: Iterable[int] = ()) -> tuple[int, ...] | None:
    """Like :func:`choose_devices`, for cores; devices that are already in use are filled first."""
    available = frozenset(free)
    if count < silicon.cores_per_device:
        left: dict[int, int] = {}
        for device in range(silicon.device_count):
            cores = silicon.cores_of(device)
            idle = available.intersection(cores)
            left |= {core: len(idle) for core in cores}
    else:
        left = _runs(available, silicon.core_count, wraps=silicon.shape is Shape.RING)
    return _best(core_sets(silicon, count), available, frozenset(must), left)


def are_contiguous_devices(silicon: Silicon, devices: Iterable[int]) -> bool:
    """Return whether these devices may be allocated together."""
    wanted = set(devices)
    return any(wanted == set(found) for found in device_sets(silicon, len(wanted)))


def are_contiguous_cores(silicon: Silicon, cores: Iterable[int]) -> bool:
    """Return whether these cores may be allocated together."""
    wanted = set(cores)
    return any(wanted == set(found) for found in core_sets(silicon, len(wanted)))


def supported_counts(silicon: Silicon) -> Iterator[int]:
    """Yield the numbers of devices that a pod may request."""
    return (count for count in range(1, silicon.device_count + 1) if device_sets(silicon, count))
