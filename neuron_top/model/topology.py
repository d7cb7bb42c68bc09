"""The node's devices, how they are linked, and who owns their cores."""

from __future__ import annotations

import enum
import itertools
import string
from typing import NamedTuple

from neuron_top.model.history import mean_known
from neuron_top.model.moment import LinkTraffic, Moment
from neuron_top.model.overview import tab_names
from runtime_core.telemetry.snapshot import Device

FREE = ""
_LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits


class Shape(enum.Enum):
    """How the links join the devices."""

    SEPARATE = "separate"
    LINE = "line"
    RING = "ring"
    OTHER = "other"


class DeviceBox(NamedTuple):
    """A device. ``owners``: a letter a core, ``FREE`` where nobody owns it; ``utilization``: mean of its cores."""

    device: int
    owners: tuple[str, ...]
    utilization: float | None
    memory_used_bytes: int | None


class Owner(NamedTuple):
    """A process with cores."""

    letter: str
    name: str
    pid: int
    cores: tuple[int, ...]


class Link(NamedTuple):
    """A link from a device to its East neighbour: bytes a second each way, ``None`` where unknown."""

    west_end: int
    east_end: int
    eastward: float | None
    westward: float | None

    @property
    def total(self) -> float | None:
        """Both ways together."""
        known = [v for v in (self.eastward, self.westward) if v is not None]
        return sum(known) if known else None


class TopologyView(NamedTuple):
    """Everything the topology view shows."""

    shape: Shape
    devices: tuple[DeviceBox, ...]
    owners: tuple[Owner, ...]
    links: tuple[Link, ...]


def shape_of(devices: tuple[Device, ...]) -> Shape:
    """A line or a ring in the order of the devices; anything else is only listed."""
    indices = [d.index for d in devices]
    if all(d.east is None and d.west is None for d in devices):
        return Shape.OTHER if any(d.connected for d in devices) else Shape.SEPARATE
    forward = all(a.east == b.index and b.west == a.index for a, b in itertools.pairwise(devices))
    if not forward:
        return Shape.OTHER
    first, last = devices[0], devices[-1]
    if len(devices) > 2 and last.east == indices[0] and first.west == indices[-1]:
        return Shape.RING
    return Shape.LINE if last.east is None and first.west is None else Shape.OTHER


def _letter(number: int) -> str:
    """There are 62 letters and digits for at most 64 owners: the last two share one with the first."""
    return _LETTERS[number % len(_LETTERS)]


def make_topology(moment: Moment) -> TopologyView:
    """Devices, owners and links of a moment."""
    snapshot = moment.snapshot
    names = tab_names(snapshot)[1:]
    owning = [(name, r) for name, r in zip(names, snapshot.runtimes, strict=True) if r.cores]
    owners = tuple(Owner(_letter(i), name, r.pid, tuple(sorted(r.cores))) for i, (name, r) in enumerate(owning))
    letters = {core: owner.letter for owner in owners for core in owner.cores}
    rates = moment.rates.core_utilization() if moment.rates is not None else None
    boxes = []
    for device in snapshot.devices:
        unclear = any(r.error and r.uses(device) for r in snapshot.runtimes)
        shares = [
            None if rates is None else rates.get(core, None if core in letters or unclear else 0.0)
            for core in device.core_ids
        ]
        boxes.append(
            DeviceBox(
                device.index,
                tuple(letters.get(core, FREE) for core in device.core_ids),
                mean_known(shares),
                device.memory_used_bytes,
            )
        )
    unknown = LinkTraffic(None, None)
    links = tuple(
        Link(
            d.index,
            d.east,
            moment.links.get(d.index, unknown).east,
            moment.links.get(d.east, unknown).west,
        )
        for d in snapshot.devices
        if d.east is not None
    )
    return TopologyView(shape_of(snapshot.devices), tuple(boxes), owners, links)
