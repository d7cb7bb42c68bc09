"""The data of a mirrored node that has no place in a sysfs tree: identity, PCI addresses and processes.

On a real node these come from other sources (DMI, the PCI bus, ``/proc``). The mirror of a simulated node stores them
in one file beside the ``neuron<N>`` directories, so that a reader of the mirror sees the same node.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from runtime_core.telemetry.snapshot import Instance
from runtime_core.telemetry.sysfs.holders import Holder
from runtime_core.telemetry.sysfs.identity import Identity, Place
from runtime_core.telemetry.sysfs.tree import read_bytes

MIRROR_FILE = "mirror.json"
_MAX_BYTES = 4 << 20


class MirrorDevice(msgspec.Struct, frozen=True):
    """Location of a device on the host."""

    index: int
    bdf: str | None
    cpu_affinity: str | None
    numa_node: int | None


class MirrorProcess(msgspec.Struct, frozen=True):
    """A runtime process and the global indices of the cores it owned when the mirror was written."""

    pid: int
    start_ns: int
    uid: int
    tag: str
    command: str
    version: str
    address: str
    cores: tuple[int, ...]


class MirrorInstance(msgspec.Struct, frozen=True):
    """Identity of the instance, with the fields of :class:`runtime_core.telemetry.snapshot.Instance`."""

    instance_type: str
    instance_id: str
    instance_name: str = ""
    availability_zone: str = ""
    availability_zone_id: str = ""
    region: str = ""
    ami_id: str = ""
    subnet_id: str = ""


class Mirror(msgspec.Struct, frozen=True):
    """Content of ``mirror.json``."""

    instance: MirrorInstance
    driver_version: str
    devices: tuple[MirrorDevice, ...]
    processes: tuple[MirrorProcess, ...]


def read_mirror(root: Path) -> Mirror | None:
    """Read ``mirror.json`` of a mirror; return ``None`` if ``root`` has no such file or it is not a mirror file."""
    raw = read_bytes(f"{root}/{MIRROR_FILE}", _MAX_BYTES)
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=Mirror)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None


def read_surroundings(root: Path, cores_per_device: int) -> tuple[Identity, tuple[Holder, ...]] | None:
    """Return identity and processes of the mirrored node, or ``None`` if ``root`` has no valid ``mirror.json``.

    Args:
        root: the directory of the mirror.
        cores_per_device: NeuronCores of each device, to compute devices from global core indices.
    """
    mirror = read_mirror(root)
    if mirror is None:
        return None
    identity = Identity(
        Instance(*msgspec.structs.astuple(mirror.instance)),
        mirror.driver_version,
        {d.index: Place(d.bdf, d.cpu_affinity, d.numa_node) for d in mirror.devices},
    )
    holders = tuple(
        Holder(
            p.pid,
            p.start_ns,
            p.uid,
            p.tag,
            p.command,
            tuple(sorted({core // cores_per_device for core in p.cores})) if cores_per_device else (),
            frozenset(p.cores),
            p.version,
            p.address,
        )
        for p in mirror.processes
    )
    return identity, holders
