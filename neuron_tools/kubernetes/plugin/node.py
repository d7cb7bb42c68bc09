"""The plugin's view of its node: devices, NUMA nodes and health."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from neuron_tools.kubernetes.silicon import INSTANCES, Shape, Silicon, shape_of
from runtime_core.errors import NodeNotFoundError
from runtime_core.telemetry import Snapshot, Source

_SIMULATED = "sim:"


class Node(NamedTuple):
    """The node at the start of the plugin.

    Attributes:
        silicon: devices and cores.
        numa: device -> NUMA node, if known.
        simulated: directory of a simulated node; ``None`` for a real one.
        driver_version: version of the driver; "" if unknown.
    """

    silicon: Silicon
    numa: Mapping[int, int]
    simulated: Path | None
    driver_version: str


def node_of(snapshot: Snapshot) -> Node:
    """Describe a node.

    Raises:
        NodeNotFoundError: the node has no Neuron Device, or devices with different numbers of cores.
    """
    devices = snapshot.devices
    counts = {len(device.core_ids) for device in devices}
    if len(counts) != 1 or 0 in counts:
        raise NodeNotFoundError(
            "no Neuron Device with known NeuronCores",
            where=snapshot.source,
            mend="load the driver, or run neuron-sim up",
        )
    count = max(device.index for device in devices) + 1
    shape = shape_of({device.index: device.connected for device in devices})
    known = INSTANCES.get(snapshot.instance.instance_type)
    if shape is Shape.SEPARATE and known is not None and known.device_count == count:
        # With older drivers only root can read the links.
        shape = known.shape
    root = snapshot.source.removeprefix(_SIMULATED) if snapshot.source.startswith(_SIMULATED) else None
    return Node(
        Silicon(count, counts.pop(), shape),
        {
            device.index: device.numa_node
            for device in devices
            if device.numa_node is not None and device.numa_node >= 0
        },
        None if root is None else Path(root),
        snapshot.driver_version,
    )


class Health:
    """The health of the devices.

    A device is unhealthy once its uncorrected ECC events increase or while it is missing. It is healthy again after a
    reset: its reset count has increased, or its counters have started again.
    """

    def __init__(self, node: Node, resets: Callable[[int], int | None] = lambda _device: None) -> None:
        """Create the state with all devices healthy.

        Args:
            node: the node.
            resets: returns the number of resets of a device; ``None`` if unknown.
        """
        self._count = node.silicon.device_count
        self._resets = resets
        self._seen: dict[int, tuple[int | None, int | None]] = {}
        self._failed: dict[int, str] = {}
        self._missing: set[int] = set()

    def update(self, snapshot: Snapshot) -> Mapping[int, str]:
        """Process a snapshot.

        Returns:
            Unhealthy device -> reason.
        """
        present = {device.index: device for device in snapshot.devices}
        self._missing = set(range(self._count)) - present.keys()
        for index, device in present.items():
            known = [n for n in (device.ecc.mem_ecc_uncorrected, device.ecc.sram_ecc_uncorrected) if n is not None]
            events = sum(known) if known else None
            resets = self._resets(index)
            events_before, resets_before = self._seen.get(index, (events, resets))
            was_reset = resets is not None and resets_before is not None and resets > resets_before
            if events is not None and events_before is not None:
                was_reset = was_reset or events < events_before
                if events > events_before and not was_reset:
                    self._failed[index] = f"{events - events_before} uncorrected ECC events"
            if was_reset:
                self._failed.pop(index, None)
            self._seen[index] = (events, resets)
        return self.unhealthy()

    def unhealthy(self) -> Mapping[int, str]:
        """Return unhealthy device -> reason, as of the last snapshot."""
        return {**self._failed, **dict.fromkeys(self._missing, "the device is missing")}


def look(source: Source) -> Snapshot | None:
    """Take a snapshot, or return ``None`` if the node does not exist."""
    try:
        return source.snapshot()
    except NodeNotFoundError:
        return None
