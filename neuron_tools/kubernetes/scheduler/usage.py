"""The allocated cores of each node, from the pods' annotations, and the nodes on which a pod fits."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from neuron_tools.kubernetes import names
from neuron_tools.kubernetes.objects import NodeObject, PodObject, Request, chosen_ids, has_ended, quantity, requests_of
from neuron_tools.kubernetes.silicon import (
    INSTANCES,
    Shape,
    Silicon,
    choose_cores,
    choose_devices,
    device_sets,
    supported_counts,
)

Key = tuple[str, str]
"""Namespace and name of a pod."""


class Held(NamedTuple):
    """Cores that a pod holds on its node.

    Attributes:
        mask: bit ``i`` for core ``i``.
        unknown: number of cores that it holds without recorded ids.
    """

    node: str
    mask: int
    unknown: int


@dataclass(slots=True)
class _NodeState:
    silicon: Silicon | None = None
    pods: dict[Key, Held] = field(default_factory=dict)
    used: int = 0
    unknown: int = 0

    def sum_up(self) -> None:
        self.used = 0
        self.unknown = 0
        for held in self.pods.values():
            self.used |= held.mask
            self.unknown += held.unknown


def silicon_of(node: NodeObject) -> Silicon | None:
    """Return a node's devices, from its instance type or else its capacity; ``None`` if it has no Neuron Devices."""
    labels = node.metadata.labels or {}
    capacity = node.status.capacity or {}
    devices = max((quantity(capacity.get(name)) for name in names.DEVICE_RESOURCES), default=0)
    cores = quantity(capacity.get(names.CORE_RESOURCE))
    for label in names.INSTANCE_TYPE_LABELS:
        known = INSTANCES.get(labels.get(label, ""))
        if known is not None and devices in (0, known.device_count):
            return known if devices or cores else None
    if not devices:
        return None
    # For an unknown type, assume the weakest links: devices in a line.
    return Silicon(devices, max(1, cores // devices), Shape.LINE if devices > 1 else Shape.SEPARATE)


def mask_of(cores: Iterable[int]) -> int:
    """Cores as bits."""
    return functools.reduce(lambda mask, core: mask | 1 << core, cores, 0)


def cores_in(silicon: Silicon, resource: str, ids: Iterable[int]) -> list[int]:
    """Return the cores that belong to ids of a resource; ids beyond the node have none."""
    if resource == names.CORE_RESOURCE:
        return [core for core in ids if core < silicon.core_count]
    return [core for device in ids if device < silicon.device_count for core in silicon.cores_of(device)]


@functools.lru_cache(maxsize=65536)
def place(silicon: Silicon, used: int, resource: str, count: int) -> tuple[int, ...] | None:
    """Return the ids for a request on a node with the allocated cores ``used``, or ``None`` if it does not fit."""
    free = [core for core in range(silicon.core_count) if not used >> core & 1]
    if resource == names.CORE_RESOURCE:
        return choose_cores(silicon, count, free)
    idle = frozenset(free)
    whole = [device for device in range(silicon.device_count) if idle.issuperset(silicon.cores_of(device))]
    return choose_devices(silicon, count, whole)


def why_not(silicon: Silicon, used: int, unknown: int, request: Request, instance: str) -> str:
    """Return why a request does not fit on a node, or "" if it fits."""
    if request.resource != names.CORE_RESOURCE and not device_sets(silicon, request.amount):
        if request.amount > silicon.device_count:
            return f"the node has {silicon.device_count} Neuron Devices, {request.amount} requested"
        return (
            f"Instance type {instance or 'unknown'} does not support requests for device: {request.amount}. "
            "Please request a different number of devices."
        )
    found = place(silicon, used, request.resource, request.amount)
    kind = "NeuronCores" if request.resource == names.CORE_RESOURCE else "Neuron Devices"
    if found is None:
        return f"no {request.amount} contiguous {kind} are free"
    each = 1 if request.resource == names.CORE_RESOURCE else silicon.cores_per_device
    free = silicon.core_count - used.bit_count()
    if free - unknown < request.amount * each:
        return f"pods without {names.IDS} hold {unknown} NeuronCores with unknown ids"
    return ""


class Usage:
    """The state of every node. Thread-safe."""

    def __init__(self) -> None:
        """Create an empty state; pods and nodes arrive through :meth:`pod_changed` and :meth:`node_changed`."""
        self._lock = threading.RLock()
        self._nodes: dict[str, _NodeState] = {}
        self._instance: dict[str, str] = {}
        self._where: dict[Key, str] = {}
        self._pods: dict[Key, PodObject] = {}
        # Pods with ids whose binding has not appeared in the watch yet.
        self._assumed: set[Key] = set()

    def node_changed(self, name: str, node: NodeObject | None) -> None:
        """Process a new, changed or deleted node."""
        with self._lock:
            state = self._nodes.setdefault(name, _NodeState())
            state.silicon = None if node is None else silicon_of(node)
            labels = {} if node is None else node.metadata.labels or {}
            self._instance[name] = next((labels[label] for label in names.INSTANCE_TYPE_LABELS if label in labels), "")
            for key in list(state.pods):
                self._hold(key, self._pods.get(key))

    def pod_changed(self, key: Key, pod: PodObject | None) -> str | None:
        """Process a new, changed or deleted pod.

        Returns:
            The node whose usage changed, or ``None``.
        """
        with self._lock:
            if pod is None:
                self._pods.pop(key, None)
            else:
                self._pods[key] = pod
            return self._hold(key, pod)

    def _hold(self, key: Key, pod: PodObject | None) -> str | None:
        if pod is None or pod.spec.nodeName:
            self._assumed.discard(key)
        elif key in self._assumed:
            return None
        held = None if pod is None or has_ended(pod) or not pod.spec.nodeName else self._held(pod)
        before = self._where.get(key)
        if held is None and before is None:
            return None
        if before is not None and (held is None or held.node != before):
            state = self._nodes[before]
            state.pods.pop(key, None)
            state.sum_up()
            del self._where[key]
        if held is None:
            return before
        state = self._nodes.setdefault(held.node, _NodeState())
        if state.pods.get(key) == held:
            return None
        state.pods[key] = held
        state.sum_up()
        self._where[key] = held.node
        return held.node

    def _held(self, pod: PodObject) -> Held | None:
        requests = requests_of(pod)
        if not requests:
            return None
        node = pod.spec.nodeName
        silicon = self._nodes.setdefault(node, _NodeState()).silicon
        if silicon is None:
            return Held(node, 0, 0)
        ids = chosen_ids(pod)
        wanted = sum(
            r.amount * (1 if r.resource == names.CORE_RESOURCE else silicon.cores_per_device) for r in requests
        )
        if ids is None:
            return Held(node, 0, wanted)
        return Held(node, mask_of(cores_in(silicon, requests[0].resource, ids)), 0)

    def failures(self, request: Request, nodes: Iterable[str]) -> dict[str, str]:
        """Return the nodes on which a request does not fit, with the reasons."""
        failed = {}
        with self._lock:
            for name in nodes:
                state = self._nodes.get(name)
                if state is None or state.silicon is None:
                    failed[name] = "the node has no Neuron Devices"
                    continue
                reason = why_not(state.silicon, state.used, state.unknown, request, self._instance.get(name, ""))
                if reason:
                    failed[name] = reason
        return failed

    def take(self, key: Key, request: Request, node: str) -> tuple[int, ...] | str:
        """Choose ids for a pod and reserve them at once.

        Returns:
            The ids, or the reason why the request does not fit.
        """
        with self._lock:
            if key in self._assumed:
                return "the pod has just been bound, or is being bound"
            reason = self.failures(request, [node]).get(node)
            if reason is not None:
                return reason
            state = self._nodes[node]
            if state.silicon is None:
                return "the node has no Neuron Devices"
            ids = place(state.silicon, state.used, request.resource, request.amount)
            if ids is None:
                return "the node is full"
            state.pods[key] = Held(node, mask_of(cores_in(state.silicon, request.resource, ids)), 0)
            state.sum_up()
            self._where[key] = node
            self._assumed.add(key)
            return ids

    def give_back(self, key: Key) -> None:
        """Release the reservation of a pod that was not bound; it holds what its object says."""
        with self._lock:
            self._assumed.discard(key)
            self._hold(key, self._pods.get(key))

    def maps(self, node: str) -> Mapping[str, str]:
        """Return the node's annotations, which say for each device and core whether it is allocated."""
        with self._lock:
            state = self._nodes.get(node)
            if state is None or state.silicon is None:
                return {}
            silicon = state.silicon
            taken = [bool(state.used >> core & 1) for core in range(silicon.core_count)]
            devices = [any(taken[core] for core in silicon.cores_of(d)) for d in range(silicon.device_count)]
            return {
                names.DEVICE_USAGE: ",".join("true" if used else "false" for used in devices),
                names.CORE_USAGE: ",".join("true" if used else "false" for used in taken),
            }

    def supported(self, node: str) -> list[int]:
        """Return the numbers of devices that a pod may request on a node."""
        with self._lock:
            state = self._nodes.get(node)
            return [] if state is None or state.silicon is None else list(supported_counts(state.silicon))
