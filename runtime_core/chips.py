"""The Neuron chips that the tools support, by the driver's name for them (sysfs ``info/architecture``).

Sources: the Neuron driver's sysfs tables, the neuron-monitor and neuron-ls user guides, and captured neuron-monitor
output of Inf1 and Inf2. Version strings of neuron-monitor do not match those of sysfs, so a chip is found by its name.
Only Inf1 is simulated; the other chips are read.
"""

from __future__ import annotations

from typing import NamedTuple

GIB = 1 << 30


class Chip(NamedTuple):
    """A kind of Neuron Device.

    Attributes:
        name: name in sysfs, for example ``Inferentia2``; "" if the driver does not report it.
        device_type, device_version: as neuron-monitor reports them.
        core_version: version of one physical NeuronCore, as neuron-monitor reports it.
        memory_bytes: device memory; ``None`` for a chip that is not in the table.
        physical_cores_per_core: default number of physical NeuronCores per logical one.
    """

    name: str
    device_type: str
    device_version: str
    core_version: str
    memory_bytes: int | None
    physical_cores_per_core: int = 1


INFERENTIA = Chip("Inferentia", "inferentia", "v1", "v1", 8 * GIB)
INFERENTIA2 = Chip("Inferentia2", "inferentia2", "v3", "v2", 32 * GIB)
TRAINIUM1 = Chip("Trainium1", "trainium1", "v2", "v2", 32 * GIB)
TRAINIUM2 = Chip("Trainium2", "trainium2", "v4", "v3", 96 * GIB, 2)

CHIPS: dict[str, Chip] = {
    "inferentia": INFERENTIA,
    "inferentia1": INFERENTIA,
    "inferentia2": INFERENTIA2,
    "trainium": TRAINIUM1,
    "trainium1": TRAINIUM1,
    "trainium2": TRAINIUM2,
}
"""Lower-case ``device_name`` -> chip."""

_FAMILIES = {"inf1": INFERENTIA, "inf2": INFERENTIA2, "trn1": TRAINIUM1, "trn1n": TRAINIUM1, "trn2": TRAINIUM2}
_ARCHITECTURES = {
    ("NDv1", "NCv1"): INFERENTIA,
    ("NDv2", "NCv2"): TRAINIUM1,
    ("NDv3", "NCv2"): INFERENTIA2,
    ("NDv3", "NCv3"): TRAINIUM2,
}
"""``NDv3`` is the architecture of two chips, which the version of the cores distinguishes."""


def find_chip(device_name: str, family: str = "", device_architecture: str = "", core_architecture: str = "") -> Chip:
    """The chip that the driver describes; for an unknown chip, a record of the driver's own strings.

    Args:
        device_name: ``info/architecture/device_name``, for example ``Trainium2``.
        family: ``info/architecture/instance_type``, for example ``Trn2``.
        device_architecture: ``info/architecture/arch_type`` of the device, for example ``NDv3``.
        core_architecture: the same of a core, for example ``NCv3``. Each is "" when it cannot be read.
    """
    if device_name:
        found = CHIPS.get(device_name.lower())
    else:
        # NDv1 is the architecture of only one chip, regardless of the core version.
        core = core_architecture or ("NCv1" if device_architecture == "NDv1" else "")
        found = _FAMILIES.get(family.lower()) or _ARCHITECTURES.get((device_architecture, core))
    if found is not None:
        return found
    name = device_name or device_architecture
    return Chip(name, name, device_architecture, core_architecture, None)


class Machine(NamedTuple):
    """An instance size that the number of its devices identifies."""

    name: str
    chip: Chip
    device_count: int


MACHINES = (
    Machine("inf2.24xlarge", INFERENTIA2, 6),
    Machine("inf2.48xlarge", INFERENTIA2, 12),
    Machine("trn1.2xlarge", TRAINIUM1, 1),
    Machine("trn2.3xlarge", TRAINIUM2, 1),
)
"""Sizes that are identified by their number of these devices. ``runtime_core.instance`` has the table of Inf1."""
