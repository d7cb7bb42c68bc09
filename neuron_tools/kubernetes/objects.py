"""The fields of pods and nodes that are read from the API server's JSON."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from neuron_tools.kubernetes import names
from runtime_core.decoding import prepare

_ENDED = frozenset({"Succeeded", "Failed"})
_MAX_IDS_CHARACTERS = 4096


class Meta(msgspec.Struct):
    """Metadata of an object."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""
    creationTimestamp: str | None = None
    deletionTimestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Resources(msgspec.Struct):
    limits: dict[str, str | int | float] | None = None
    requests: dict[str, str | int | float] | None = None


class _Container(msgspec.Struct):
    name: str = ""
    resources: _Resources = msgspec.field(default_factory=_Resources)


class _PodSpec(msgspec.Struct):
    nodeName: str = ""
    containers: list[_Container] = []
    initContainers: list[_Container] | None = None


class _PodStatus(msgspec.Struct):
    phase: str = ""


class PodObject(msgspec.Struct):
    """A pod."""

    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: _PodSpec = msgspec.field(default_factory=_PodSpec)
    status: _PodStatus = msgspec.field(default_factory=_PodStatus)


class Condition(msgspec.Struct):
    """A condition of a node."""

    type: str = ""
    status: str = ""
    reason: str | None = None


class Taint(msgspec.Struct):
    """A taint of a node."""

    key: str = ""
    value: str | None = None
    effect: str = ""


class _NodeSpec(msgspec.Struct):
    unschedulable: bool | None = None
    taints: list[Taint] | None = None


class _NodeStatus(msgspec.Struct):
    capacity: dict[str, str | int | float] | None = None
    conditions: list[Condition] | None = None


class NodeObject(msgspec.Struct):
    """A node."""

    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: _NodeSpec = msgspec.field(default_factory=_NodeSpec)
    status: _NodeStatus = msgspec.field(default_factory=_NodeStatus)


prepare(PodObject, NodeObject)


class Request(NamedTuple):
    """A request of a pod for Neuron resources.

    Attributes:
        resource: ``aws.amazon.com/neuron`` or ``aws.amazon.com/neuroncore``.
        amount: sum over its containers.
        by_container: amount of each container with a request, in order.
    """

    resource: str
    amount: int
    by_container: tuple[int, ...]


def quantity(value: str | int | float | None) -> int:
    """Return a count of an extended resource, which is always an integer; 0 for any other value."""
    try:
        return max(0, int(str(value)))
    except ValueError:
        return 0


def _asked(container: _Container, resource: str) -> int:
    alias = (resource,) if resource == names.CORE_RESOURCE else names.DEVICE_RESOURCES
    found = container.resources.limits or container.resources.requests or {}
    return sum(quantity(found[name]) for name in alias if name in found)


def requests_of(pod: PodObject) -> tuple[Request, ...]:
    """Return the requests of a pod per resource; init containers run one after another and release their share."""
    found = []
    for resource in names.RESOURCES:
        counts = tuple(count for c in pod.spec.containers if (count := _asked(c, resource)))
        first = max((_asked(c, resource) for c in pod.spec.initContainers or ()), default=0)
        if counts or first:
            found.append(Request(resource, max(sum(counts), first), counts or (first,)))
    return tuple(found)


def has_ended(pod: PodObject) -> bool:
    """Return whether a pod has ended and holds no resources."""
    return pod.status.phase in _ENDED


def chosen_ids(pod: PodObject) -> tuple[int, ...] | None:
    """Return the ids in a pod's annotation, ascending; ``None`` if it is missing or not a list of indices."""
    annotations = pod.metadata.annotations or {}
    text = annotations.get(names.IDS) or annotations.get(names.OLD_CORE_IDS)
    if not text or len(text) > _MAX_IDS_CHARACTERS:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        return None
    return tuple(sorted({int(part) for part in parts}))
