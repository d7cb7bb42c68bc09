"""What the kubelet handed out, as records."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DEFAULT_SOCKET = Path("/var/lib/kubelet/pod-resources/kubelet.sock")
CORE_RESOURCE = "aws.amazon.com/neuroncore"
DEVICE_RESOURCES = frozenset({"aws.amazon.com/neuron", "aws.amazon.com/neurondevice"})
"""What the Neuron device plugin offers."""

_INDEX = re.compile(r"(?:neuron|neuroncore|neurondevice)?-?(0|[1-9][0-9]{0,5})", re.ASCII)
"""A device's id is its index, or ends with it behind the kind (``neuron3`` is the name of the device's file)."""


class Holding(NamedTuple):
    """What a container was given of one resource."""

    pod_name: str
    namespace: str
    container_name: str
    resource_name: str
    device_ids: tuple[str, ...]


def indices(holding: Holding, problems: list[str]) -> Iterator[int]:
    """The indices of devices or cores that a holding names; what is no index is added to ``problems``."""
    for name in holding.device_ids:
        found = _INDEX.fullmatch(name)
        if found is None:
            problems.append(
                f"{holding.resource_name} {name!r} of pod {holding.namespace}/{holding.pod_name} is no index"
            )
        else:
            yield int(found[1])
