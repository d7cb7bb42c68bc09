"""Records of the resources that the kubelet allocated to containers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DEFAULT_SOCKET = Path("/var/lib/kubelet/pod-resources/kubelet.sock")
CORE_RESOURCE = "aws.amazon.com/neuroncore"
DEVICE_RESOURCES = frozenset({"aws.amazon.com/neuron", "aws.amazon.com/neurondevice"})
"""Resource names of Neuron Devices, as the Neuron device plugin advertises them."""

_INDEX = re.compile(r"(?:neuron|neuroncore|neurondevice)?-?(0|[1-9][0-9]{0,5})", re.ASCII)
"""A device id is the index, or the kind followed by the index (``neuron3`` is also the name of the device file)."""


class Holding(NamedTuple):
    """Items of one resource that were allocated to a container."""

    pod_name: str
    namespace: str
    container_name: str
    resource_name: str
    device_ids: tuple[str, ...]


def indices(holding: Holding, problems: list[str]) -> Iterator[int]:
    """Yield the indices of the devices or cores in a holding; append a message to ``problems`` for each invalid id."""
    for name in holding.device_ids:
        found = _INDEX.fullmatch(name)
        if found is None:
            problems.append(
                f"{holding.resource_name} {name!r} of pod {holding.namespace}/{holding.pod_name} is not a valid index"
            )
        else:
            yield int(found[1])
