"""Identify the instance of a sysfs tree and the location of its devices, from sources outside the driver's tree.

Sources: on Nitro instances the firmware's DMI tables contain the instance type (product name) and the instance id
(asset tag of the board). PCI addresses, CPU affinity and NUMA node come from the PCI bus, and everything else from the
size tables in ``runtime_core.instance`` and ``runtime_core.chips``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from runtime_core.chips import INFERENTIA, MACHINES, Chip, find_chip
from runtime_core.instance import INSTANCE_TYPES, InstanceType, pci_bdf
from runtime_core.telemetry.snapshot import Instance
from runtime_core.telemetry.sysfs.tree import read_count, read_text

_TREE_BELOW_SYS = ("devices", "virtual", "neuron_device")
_AMAZON_VENDOR_ID = "0x1d0f"
_PCI_IDS = ("0x7064", "0x7065", "0x7066", "0x7067")
"""PCI device ids of Inf1. They are assumed (see ``docs/how-to/sysfs.md``); those of other chips are not published."""
_INSTANCE_TYPE = re.compile(r"[a-z0-9-]{1,24}\.[a-z0-9-]{1,24}")
_INSTANCE_ID = re.compile(r"i-[0-9a-f]{8,32}")


class Place(NamedTuple):
    """Location of a device on the host; ``None`` if unknown."""

    bdf: str | None = None
    cpu_affinity: str | None = None
    numa_node: int | None = None


class Identity(NamedTuple):
    """Instance of the devices. ``driver_version`` is "" if unknown; ``places`` has an entry for each device."""

    instance: Instance
    driver_version: str
    places: Mapping[int, Place]


def read_chip(device_directory: str, core_directory: str) -> Chip:
    """Return the type of a device as the driver describes it."""
    architecture = f"{device_directory}/info/architecture"
    return find_chip(
        read_text(f"{architecture}/device_name") or "",
        read_text(f"{architecture}/instance_type") or "",
        read_text(f"{architecture}/arch_type") or "",
        read_text(f"{core_directory}/info/architecture/arch_type") or "",
    )


def sys_above(root: Path) -> Path | None:
    """Return the ``/sys`` directory that contains the driver's tree, or ``None`` for a copied tree."""
    return root.parents[2] if root.parts[-3:] == _TREE_BELOW_SYS else None


def size_by_devices(devices: Sequence[int]) -> InstanceType | None:
    """Return the only Inf1 size with these devices: four make an inf1.6xlarge, sixteen an inf1.24xlarge."""
    fitting = [size for size in INSTANCE_TYPES.values() if tuple(devices) == tuple(range(size.device_count))]
    return fitting[0] if len(fitting) == 1 else None


def _name_by_devices(chip: Chip | None, devices: Sequence[int]) -> str:
    whole = tuple(devices) == tuple(range(len(devices)))
    return next((m.name for m in MACHINES if m.chip == chip and m.device_count == len(devices) and whole), "")


def _addresses(sys_root: Path) -> list[str]:
    bus = f"{sys_root}/bus/pci/devices"
    try:
        addresses = sorted(os.listdir(bus))
    except OSError:
        return []
    return [
        address
        for address in addresses
        if read_text(f"{bus}/{address}/vendor") == _AMAZON_VENDOR_ID
        and read_text(f"{bus}/{address}/device") in _PCI_IDS
    ]


def _place(sys_root: Path, address: str) -> Place:
    directory = f"{sys_root}/bus/pci/devices/{address}"
    # The kernel reports an unknown NUMA node as -1, which is not a count and becomes None.
    return Place(address, read_text(f"{directory}/local_cpulist"), read_count(f"{directory}/numa_node"))


def _places(sys_root: Path | None, devices: Sequence[int], size: InstanceType | None) -> dict[int, Place]:
    addresses = _addresses(sys_root) if sys_root is not None else []
    if sys_root is not None and addresses and len(addresses) == len(devices):
        return {device: _place(sys_root, address) for device, address in zip(devices, addresses, strict=True)}
    if size is not None and tuple(devices) == tuple(range(size.device_count)):
        return {device: Place(pci_bdf(size, device)) for device in devices}
    return dict.fromkeys(devices, Place())


def read_identity(root: Path, devices: Sequence[int], chip: Chip | None) -> Identity:
    """Identify the instance and the locations of its devices.

    Args:
        root: the driver's tree.
        devices: indices of the devices in the tree.
        chip: the type of all devices, or ``None`` if they differ.
    """
    sys_root = sys_above(root)
    name = instance_id = version = None
    if sys_root is not None:
        name = read_text(f"{sys_root}/devices/virtual/dmi/id/product_name")
        instance_id = read_text(f"{sys_root}/devices/virtual/dmi/id/board_asset_tag")
        version = read_text(f"{sys_root}/module/neuron/version")
    inferentia = chip == INFERENTIA
    size = None
    if name is None or not _INSTANCE_TYPE.fullmatch(name):
        size = size_by_devices(devices) if inferentia else None
        name = size.name if size is not None else _name_by_devices(chip, devices)
    elif inferentia:
        size = INSTANCE_TYPES.get(name)
    known_id = instance_id if instance_id is not None and _INSTANCE_ID.fullmatch(instance_id) else ""
    # Only Inf1 devices are found on the PCI bus; on other chips the order of addresses is not that of device numbers.
    places = _places(sys_root, devices, size) if inferentia else dict.fromkeys(devices, Place())
    return Identity(Instance(name, known_id), version or "", places)
