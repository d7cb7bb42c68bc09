"""The fields of pods and nodes that are read from the API server's JSON."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

import msgspec

from neuron_tools.kubernetes import names
from runtime_core.decoding import prepare
from runtime_core.errors import UsageError

_ENDED = frozenset({"Succeeded", "Failed"})
_MAX_IDS_CHARACTERS = 4096
_SUFFIXES: dict[str, int | Decimal] = {
    "": 1, "m": Decimal("0.001"), "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip
_QUANTITY = re.compile(rf"([+-]?[0-9]{{1,19}}(?:\.[0-9]{{0,9}})?(?:[eE][+-]?[0-9]{{1,2}})?)({'|'.join(_SUFFIXES)})")
_LARGEST_COUNT = 2**63 - 1


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


def whole_quantity(value: str | int | float) -> int | None:
    """Return a count in the notation of Kubernetes (``2``, ``1k``, ``1Ki``, ``1e3``), ``None`` if it is not a count."""
    found = _QUANTITY.fullmatch(str(value))
    if found is None:
        return None
    number, suffix = found.groups()
    count = Decimal(number) * _SUFFIXES[suffix]
    return int(count) if count == int(count) and 0 <= count <= _LARGEST_COUNT else None


def quantity(value: str | int | float | None) -> int:
    """Return a count of an extended resource; 0 for ``None`` and for what is not a count."""
    return 0 if value is None else whole_quantity(value) or 0


def check_quantities(pod: PodObject) -> None:
    """Check that every request for a Neuron resource is a count.

    Raises:
        UsageError: one is not; names the container.
    """
    for container in (*pod.spec.containers, *(pod.spec.initContainers or ())):
        for amounts in (container.resources.limits, container.resources.requests):
            for name in (*names.DEVICE_RESOURCES, names.CORE_RESOURCE):
                value = (amounts or {}).get(name)
                if value is not None and whole_quantity(value) is None:
                    raise UsageError(
                        f"container {container.name!r} requests {value!r} of {name}: expected a whole number",
                        where=f"{pod.metadata.namespace}/{pod.metadata.name}",
                    )


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
