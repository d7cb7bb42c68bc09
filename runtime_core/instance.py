"""The four Inf1 sizes as data.

Source: ``contracts/hardware.md`` (AWS instance tables and the Inferentia data sheet).
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from runtime_core.errors import UsageError

CORES_PER_DEVICE = 4
DEVICE_MEMORY_BYTES = 8 * 1024**3
DRAM_CHANNELS = 2
CHANNEL_MEMORY_BYTES = DEVICE_MEMORY_BYTES // DRAM_CHANNELS
MAX_DEVICES = 16
MAX_CORES = MAX_DEVICES * CORES_PER_DEVICE

DEVICE_TYPE = "inferentia"
DEVICE_VERSION = "v1"
CORE_VERSION = "v1"

_LAST_PCI_SLOT = 0x1F


class LinkShape(enum.Enum):
    """The shape of the East/West links of a size."""

    NONE = "none"
    LINE = "line"
    RING = "ring"


class InstanceType(NamedTuple):
    """One Inf1 size. Memory in GiB of the host, price in US dollars per hour (reserved, effective)."""

    name: str
    device_count: int
    vcpu_count: int
    host_memory_gib: int
    network_gbps: int
    price_usd_per_hour: float
    links: LinkShape
    numa_node_count: int

    @property
    def core_count(self) -> int:
        """NeuronCores of the whole instance."""
        return self.device_count * CORES_PER_DEVICE


INSTANCE_TYPES: dict[str, InstanceType] = {
    t.name: t
    for t in (
        InstanceType("inf1.xlarge", 1, 4, 8, 25, 0.110, LinkShape.NONE, 1),
        InstanceType("inf1.2xlarge", 1, 8, 16, 25, 0.174, LinkShape.NONE, 1),
        InstanceType("inf1.6xlarge", 4, 24, 48, 25, 0.567, LinkShape.LINE, 1),
        InstanceType("inf1.24xlarge", 16, 96, 192, 100, 2.269, LinkShape.RING, 2),
    )
}
DEFAULT_INSTANCE_TYPE = "inf1.6xlarge"


def instance_type(name: str) -> InstanceType:
    """Look a size up by its EC2 name.

    Raises:
        UsageError: ``name`` is not one of the four sizes.
    """
    found = INSTANCE_TYPES.get(name)
    if found is None:
        raise UsageError(f"unknown instance type {name!r}", mend=f"choose one of {', '.join(INSTANCE_TYPES)}")
    return found


def pci_bdf(size: InstanceType, device: int) -> str:
    """The PCI address of ``device`` in full domain form, e.g. ``0000:00:1c.0``; the last chip is always ``1f.0``."""
    return f"0000:00:{_LAST_PCI_SLOT - (size.device_count - 1) + device:02x}.0"


def numa_node(size: InstanceType, device: int) -> int:
    """The NUMA node of ``device``: devices are distributed evenly, in order, over the sockets."""
    return device * size.numa_node_count // size.device_count


def cpu_affinity(size: InstanceType, device: int) -> str:
    """The CPUs near ``device`` in ``lscpu`` list form, e.g. ``0-23,48-71``.

    EC2 numbers the first hyper-thread of every core first, socket by socket, then the second ones.
    """
    if size.numa_node_count == 1:
        return f"0-{size.vcpu_count - 1}"
    half = size.vcpu_count // 2
    per_node = half // size.numa_node_count
    first = numa_node(size, device) * per_node
    return f"{first}-{first + per_node - 1},{half + first}-{half + first + per_node - 1}"
