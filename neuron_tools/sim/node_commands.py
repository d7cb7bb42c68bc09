"""The commands ``neuron-sim up``, ``status`` and ``reset``."""

from __future__ import annotations

import json

from neuron_console.text import printable
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.node import NodeInfo, read_info, set_up
from runtime_core.driver.paths import node_root
from runtime_core.driver.reset import reset_device
from runtime_core.instance import INSTANCE_TYPES
from runtime_core.telemetry import Snapshot, open_source


def _facts(info: NodeInfo) -> dict[str, object]:
    size = INSTANCE_TYPES[info.instance_type]
    return {
        "root": str(node_root()),
        "instance_type": info.instance_type,
        "instance_id": info.instance_id,
        "seed": info.seed,
        "neuron_devices": size.device_count,
        "neuroncores": size.core_count,
    }


def describe_up(type_name: str | None, instance_id: str | None, seed: int, *, as_json: bool) -> str:
    """Set the node up and describe it."""
    info = set_up(type_name=type_name, instance_id=instance_id, seed=seed)
    facts = _facts(info)
    if as_json:
        return json.dumps(facts)
    return (
        f"{info.instance_type} {info.instance_id}: {facts['neuron_devices']} Neuron Devices, "
        f"{facts['neuroncores']} NeuronCores, in {facts['root']}"
    )


def _runtime_facts(snapshot: Snapshot) -> list[dict[str, object]]:
    return [
        {
            "pid": r.pid,
            "tag": r.tag,
            "command": r.command,
            "neuroncores": sorted(r.cores),
            "models": [m.name for m in r.models],
            "executions": None if r.executions is None else sum(r.executions),
        }
        for r in snapshot.runtimes
    ]


def describe_status(*, as_json: bool) -> str:
    """Describe the node and the processes that use it."""
    facts = _facts(read_info(node_root()))
    source = open_source(f"sim:{node_root()}")
    snapshot = source.snapshot()
    source.close()
    runtimes = _runtime_facts(snapshot)
    used_bytes = sum(d.memory_used_bytes or 0 for d in snapshot.devices)
    if as_json:
        return json.dumps({**facts, "device_memory_used_bytes": used_bytes, "runtimes": runtimes})
    owned = len(snapshot.core_owner)
    lines = [
        f"{facts['instance_type']} {facts['instance_id']} in {printable(str(facts['root']))}",
        f"Neuron Devices: {facts['neuron_devices']}   NeuronCores: {facts['neuroncores']}, {owned} owned   "
        f"device memory used: {used_bytes / 2**20:.1f} MiB",
    ]
    for runtime in snapshot.runtimes:
        cores = ",".join(str(c) for c in sorted(runtime.cores))
        models = printable(", ".join(m.name for m in runtime.models) or "no model")
        count = sum(runtime.executions) if runtime.executions is not None else None
        lines.append(
            f"  pid {runtime.pid}  {printable(runtime.tag)}  cores {cores}  {models}  "
            f"{'N/A' if count is None else count} executions"
        )
    if not snapshot.runtimes:
        lines.append("  no runtime uses it")
    return "\n".join(lines)


def reset_by_number(device: int, *, force: bool) -> str:
    """Reset a device and report the affected processes."""
    store = Datastore(node_root(), writable=True)
    try:
        owners = reset_device(store, device, force=force)
    finally:
        store.close()
    hit = f"; executions of process {', '.join(map(str, owners))} fail until it starts again" if owners else ""
    return f"Neuron Device {device} was reset{hit}"
