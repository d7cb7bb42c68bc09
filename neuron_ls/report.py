"""The JSON output: keys, order and types are those of the original neuron-ls, followed by additional keys.

``logical_neuroncore_config`` is present only for chips that join physical NeuronCores, as in the original.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neuron_ls.watchers import Watcher
    from runtime_core.telemetry.snapshot import Device, Snapshot


def _processes(snapshot: Snapshot, device: Device, watchers: Sequence[Watcher]) -> list[dict[str, object]]:
    users: list[dict[str, object]] = [
        {
            "pid": r.pid,
            "command": r.command,
            "neuron_runtime_version": r.version or "NA",
            **({"framework": r.framework} if r.framework else {}),
        }
        for r in snapshot.runtimes
        if r.uses(device)
    ]
    return users + [{"pid": w.pid, "command": w.command, "neuron_runtime_version": "NA"} for w in watchers]


def _device(snapshot: Snapshot, device: Device, watchers: Sequence[Watcher]) -> dict[str, object]:
    logical = {"logical_neuroncore_config": device.physical_cores_per_core}
    return {
        "neuron_device": device.index,
        "bdf": device.bdf or "",
        "cpu_affinity": device.cpu_affinity or "",
        "numa_node": "-1" if device.numa_node is None else str(device.numa_node),
        "connected_to": list(device.connected) or None,
        "nc_count": len(device.core_ids),
        **(logical if device.chip.physical_cores_per_core > 1 else {}),
        "memory_size": device.memory_total_bytes,
        "neuroncore_ids": list(device.core_ids),
        "neuron_processes": _processes(snapshot, device, watchers),
        "instance_type": snapshot.instance.instance_type,
        "east": device.east,
        "west": device.west,
        "device_name": device.chip.name,
        "neuroncore_version": device.core_version,
    }


def render_json(snapshot: Snapshot, watchers: Sequence[Watcher] = ()) -> str:
    """Return an array with one object per device, indented by four."""
    return json.dumps([_device(snapshot, d, watchers) for d in snapshot.devices], indent=4, ensure_ascii=False)
