"""The node's devices, how they are linked, and who owns their cores."""

from __future__ import annotations

import enum
import itertools
import string
from typing import NamedTuple

from neuron_top.model.faults import NO_FAULTS, Faults
from neuron_top.model.moment import LinkTraffic, Moment
from neuron_top.model.overview import tab_names
from neuron_top.model.sample import mean_known
from runtime_core.telemetry.links import torus_columns
from runtime_core.telemetry.snapshot import Device

FREE = ""
_LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits


class Shape(enum.Enum):
    """How the links join the devices."""

    SEPARATE = "separate"
    LINE = "line"
    RING = "ring"
    TORUS = "torus"
    OTHER = "other"


class LinkState(enum.Enum):
    """Whether a link carries what it should."""

    UP = "up"
    SLOW = "slow"
    DOWN = "down"


class DeviceBox(NamedTuple):
    """A device.

    Attributes:
        owners: a letter per core, ``FREE`` where nobody owns it.
        utilization: mean of its cores.
        hung: places of its hung cores, from 0.
        lost: it was there and is gone.
        hurt: it had memory errors that ECC could not correct.
    """

    device: int
    owners: tuple[str, ...]
    utilization: float | None
    memory_used_bytes: int | None
    hung: tuple[int, ...] = ()
    lost: bool = False
    hurt: bool = False


class Owner(NamedTuple):
    """A process with cores."""

    letter: str
    name: str
    pid: int
    cores: tuple[int, ...]


class Link(NamedTuple):
    """A link between two devices: bytes per second each way, ``None`` where unknown.

    Attributes:
        west_end, east_end: the devices; ``named``: whether the chip calls the directions East and West.
    """

    west_end: int
    east_end: int
    eastward: float | None
    westward: float | None
    state: LinkState = LinkState.UP
    named: bool = True

    @property
    def total(self) -> float | None:
        """Both ways together."""
        known = [v for v in (self.eastward, self.westward) if v is not None]
        return sum(known) if known else None

    @property
    def ends(self) -> frozenset[int]:
        """The two devices."""
        return frozenset((self.west_end, self.east_end))


class TopologyView(NamedTuple):
    """Everything the topology view shows; ``columns``: devices per row of a torus; ``chip``: "" if unknown."""

    shape: Shape
    devices: tuple[DeviceBox, ...]
    owners: tuple[Owner, ...]
    links: tuple[Link, ...]
    columns: int = 0
    chip: str = ""


def shape_of(devices: tuple[Device, ...]) -> Shape:
    """A line, a ring or a torus, from who is joined to whom; the links of anything else are only listed."""
    indices = [d.index for d in devices]
    if not any(d.connected for d in devices) and all(d.east is None and d.west is None for d in devices):
        return Shape.SEPARATE
    joined = {d.index: {n for n in (*d.connected, d.east, d.west) if n is not None} for d in devices}
    wanted: dict[int, set[int]] = {i: set() for i in indices}
    for one, other in itertools.pairwise(indices):
        wanted[one].add(other)
        wanted[other].add(one)
    # Where links have names, East must be to the right.
    named = any(d.east is not None or d.west is not None for d in devices)
    forward = not named or all(a.east == b.index and b.west == a.index for a, b in itertools.pairwise(devices))
    if joined == wanted and forward:
        return Shape.LINE
    if len(indices) > 2 and forward:
        wanted[indices[0]].add(indices[-1])
        wanted[indices[-1]].add(indices[0])
        if joined == wanted:
            return Shape.RING
    return Shape.TORUS if torus_columns(devices) else Shape.OTHER


def _letter(number: int) -> str:
    """There are 62 letters and digits for at most 64 owners: the last two share one with the first."""
    return _LETTERS[number % len(_LETTERS)]


def _links(moment: Moment, faults: Faults) -> tuple[Link, ...]:
    unknown = LinkTraffic(None, None)
    found: dict[frozenset[int], Link] = {}
    known = {d.index for d in moment.devices}
    for d in moment.devices:
        if d.east is not None:
            east = moment.links.get(d.index, unknown).east
            west = moment.links.get(d.east, unknown).west
            found.setdefault(frozenset((d.index, d.east)), Link(d.index, d.east, east, west))
    for d in moment.devices:
        for other in d.connected:
            if other in known and d.index < other:
                found.setdefault(frozenset((d.index, other)), Link(d.index, other, None, None, named=False))
    states = {**dict.fromkeys(faults.slow, LinkState.SLOW), **dict.fromkeys(faults.down, LinkState.DOWN)}
    return tuple(link._replace(state=states.get(ends, LinkState.UP)) for ends, link in found.items())


def make_topology(moment: Moment) -> TopologyView:
    """Devices, owners and links of a moment."""
    snapshot, faults = moment.snapshot, moment.faults if moment.health else NO_FAULTS
    names = tab_names(snapshot)[1:]
    owning = [(name, r) for name, r in zip(names, snapshot.runtimes, strict=True) if r.cores]
    owners = tuple(Owner(_letter(i), name, r.pid, tuple(sorted(r.cores))) for i, (name, r) in enumerate(owning))
    letters = {core: owner.letter for owner in owners for core in owner.cores}
    rates = moment.rates.core_utilization() if moment.rates is not None else None
    lost = {d.index for d in moment.lost}
    boxes = []
    for device in moment.devices:
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
                tuple(place for place, core in enumerate(device.core_ids) if core in faults.hung),
                device.index in lost,
                device.index in faults.hurt,
            )
        )
    shape = shape_of(moment.devices)
    columns = (torus_columns(moment.devices) or 0) if shape is Shape.TORUS else 0
    chip = moment.devices[0].chip.name if moment.devices else ""
    return TopologyView(shape, tuple(boxes), owners, _links(moment, faults), columns, chip)
