"""The pods that use each NeuronCore and Neuron Device, derived from the kubelet's allocations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from neuron_monitor.report import CoreUser
from runtime_core.telemetry.kubelet.holdings import CORE_RESOURCE, DEVICE_RESOURCES, Holding, indices


class Users(NamedTuple):
    """Pods by index, as in the report.

    Attributes:
        cores: the pod of each NeuronCore.
        devices: the pod of each Neuron Device that one pod uses alone; for shared devices see ``cores``.
        problems: allocations that could not be interpreted.
    """

    cores: dict[str, CoreUser]
    devices: dict[str, CoreUser]
    problems: tuple[str, ...]


def _cores(holding: Holding, cores_per_device: int | None, problems: list[str]) -> Iterator[int]:
    if holding.resource_name != CORE_RESOURCE and cores_per_device is None:
        name = f"{holding.namespace}/{holding.pod_name}"
        problems.append(f"the stream does not contain the number of NeuronCores of the devices of pod {name}")
        return
    for index in indices(holding, problems):
        if holding.resource_name == CORE_RESOURCE or cores_per_device is None:
            yield index
        else:
            yield from range(index * cores_per_device, (index + 1) * cores_per_device)


def _merged(holdings: Iterable[Holding]) -> CoreUser | None:
    """Return the single pod of all holdings with its containers, or ``None`` if there are several pods."""
    first, *rest = holdings
    if any((h.namespace, h.pod_name) != (first.namespace, first.pod_name) for h in rest):
        return None
    return CoreUser(first.pod_name, first.namespace, sorted({h.container_name for h in (first, *rest)}))


def users(holdings: Iterable[Holding], device_count: int | None, cores_per_device: int | None) -> Users:
    """Return the pods that use each core and device.

    Args:
        holdings: the kubelet's allocations.
        device_count: Neuron Devices of the node; ``None`` if unknown.
        cores_per_device: NeuronCores of each device; ``None`` if unknown.
    """
    problems: list[str] = []
    by_core: dict[int, list[Holding]] = {}
    for holding in holdings:
        if holding.resource_name == CORE_RESOURCE or holding.resource_name in DEVICE_RESOURCES:
            for core in _cores(holding, cores_per_device, problems):
                by_core.setdefault(core, []).append(holding)
    cores, by_device = {}, dict[int, list[Holding]]()
    for core, held in sorted(by_core.items()):
        if device_count is not None and cores_per_device is not None and core >= device_count * cores_per_device:
            problems.append(f"NeuronCore {core} of pod {held[0].namespace}/{held[0].pod_name} is not on this node")
            continue
        user = _merged(held)
        if user is None:
            problems.append(f"NeuronCore {core} is allocated to several pods")
            continue
        cores[str(core)] = user
        if cores_per_device:
            by_device.setdefault(core // cores_per_device, []).extend(held)
    devices = {str(index): user for index, held in by_device.items() if (user := _merged(held)) is not None}
    return Users(cores, devices, tuple(problems))
