"""Names of the pods that use the cores of this node, for viewers; empty without a kubelet, at no cost."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from runtime_core.errors import NeuronError
from runtime_core.telemetry.kubelet.holdings import CORE_RESOURCE, DEFAULT_SOCKET, DEVICE_RESOURCES, Holding, indices
from runtime_core.telemetry.snapshot import Runtime, Snapshot

SOCKET_VARIABLE = "NEURON_POD_RESOURCES_SOCKET"
"""Environment variable that overrides the path of the kubelet's socket."""

_TIMEOUT_SECONDS = 1.0


def read_holdings() -> tuple[Holding, ...] | None:
    """Return the kubelet's list, or ``None`` if there is no kubelet, it does not answer, or gRPC is not installed."""
    socket = Path(os.environ.get(SOCKET_VARIABLE) or DEFAULT_SOCKET)
    try:
        if not socket.is_socket():
            return None
        from runtime_core.telemetry.kubelet.client import Kubelet
    except (OSError, ImportError):
        return None
    kubelet = Kubelet(socket, _TIMEOUT_SECONDS)
    try:
        return kubelet.holdings()
    except NeuronError:
        return None
    finally:
        kubelet.close()


def pods_by_core(holdings: Iterable[Holding], snapshot: Snapshot) -> dict[int, str]:
    """Return global core index -> ``NAMESPACE/POD``, for the cores in the snapshot."""
    cores_of = {device.index: device.core_ids for device in snapshot.devices}
    found: dict[int, str] = {}
    for holding in holdings:
        by_core = holding.resource_name == CORE_RESOURCE
        if not by_core and holding.resource_name not in DEVICE_RESOURCES:
            continue
        for index in indices(holding, []):
            cores = (index,) if by_core else cores_of.get(index, ())
            found.update(dict.fromkeys(cores, f"{holding.namespace}/{holding.pod_name}"))
    return found


def pods_of(runtime: Runtime, by_core: Mapping[int, str]) -> str:
    """Return the pods whose cores a runtime owns (usually one), or ``""`` if there are none."""
    return ", ".join(dict.fromkeys(by_core[core] for core in sorted(runtime.cores) if core in by_core))
