"""The commands of neuron-cli: each makes some calls and returns the text to print."""

from __future__ import annotations

import json
from pathlib import Path

from neuron_console.text import framed
from runtime_core.neff.reader import read_file
from runtime_core.rtd.client import Client

_GROUP_COLUMNS = ("NCG ID", "NC COUNT", "DEVICE START INDEX", "NC START INDEX")
_MODEL_COLUMNS = ("UUID", "MODEL ID", "MODEL STATE", "NEURON DEVICE START INDEX", "NC INDEX", "NC COUNT", "NAME")


def _told(text: str, facts: dict[str, int | str], *, as_json: bool) -> str:
    return json.dumps(facts) if as_json else text


def list_groups(address: str | None, *, as_json: bool) -> str:
    """Return the daemon's groups."""
    with Client(address) as client:
        rows = [(group.eg.id, group.nc_count, group.mla_start_index, group.nc_start_index) for group in client.groups()]
    if as_json:
        names = ("ncg_id", "nc_count", "device_start_index", "nc_start_index")
        return json.dumps({"neuroncore_groups": [dict(zip(names, row, strict=True)) for row in rows]})
    return "\n".join(framed(_GROUP_COLUMNS, rows))


def create_group(address: str | None, nc_count: int, *, as_json: bool) -> str:
    """Make a group."""
    with Client(address) as client:
        group = client.create_group(nc_count)
        made = next(g for g in client.groups() if g.eg.id == group)
    facts: dict[str, int | str] = {"ncg_id": group, "nc_count": made.nc_count}
    return _told(f"NCG {group} created with {made.nc_count} NeuronCore(s)", facts, as_json=as_json)


def destroy_group(address: str | None, group: int, *, as_json: bool) -> str:
    """Destroy an empty group."""
    with Client(address) as client:
        client.destroy_group(group)
    return _told(f"NCG {group} destroyed", {"ncg_id": group, "state": "destroyed"}, as_json=as_json)


def list_models(address: str | None, *, as_json: bool) -> str:
    """Return the daemon's networks."""
    with Client(address) as client:
        models = client.models()
    if as_json:
        facts = [
            {
                "uuid": m.uuid,
                "model_id": m.h_nn.id,
                "model_state": "READY" if m.started else "STANDBY",
                "ncg_id": m.h_eg.id,
                "neuron_device_start_index": m.device_start_index,
                "nc_index": m.nc_start_index,
                "nc_count": m.nc_count,
                "name": m.name,
                "shared_nc": m.shared_nc,
                "ninfer": m.ninfer,
            }
            for m in models
        ]
        return json.dumps({"models": facts})
    rows = [
        (
            m.uuid,
            m.h_nn.id,
            "READY" if m.started else "STANDBY",
            m.device_start_index,
            m.nc_start_index,
            m.nc_count,
            m.name,
        )
        for m in models
    ]
    return "\n".join(framed(_MODEL_COLUMNS, rows))


def load(
    address: str | None, neff: Path, group: int, ninfer: int | None, timeout_seconds: int | None, *, as_json: bool
) -> str:
    """Load a NEFF file."""
    content = read_file(neff)
    with Client(address) as client:
        network = client.load(content, group=group, ninfer=ninfer, timeout_seconds=timeout_seconds)
    return _told(f"{neff.name} loaded as model {network}", {"model_id": network}, as_json=as_json)


def start(address: str | None, network: int, *, as_json: bool) -> str:
    """Start a network."""
    with Client(address) as client:
        client.start(network)
    return _told(f"model {network} started", {"model_id": network, "model_state": "READY"}, as_json=as_json)


def stop(address: str | None, network: int, *, as_json: bool) -> str:
    """Put a network in standby."""
    with Client(address) as client:
        client.stop(network)
    return _told(f"model {network} stopped", {"model_id": network, "model_state": "STANDBY"}, as_json=as_json)


def unload(address: str | None, network: int, *, as_json: bool) -> str:
    """Unload a network."""
    with Client(address) as client:
        client.unload(network)
    return _told(f"model {network} unloaded", {"model_id": network, "state": "unloaded"}, as_json=as_json)


def reset(address: str | None, *, as_json: bool) -> str:
    """Unload every network and destroy every group."""
    with Client(address) as client:
        networks = len(client.models())
        client.unload_all()
        groups = client.groups()
        for group in groups:
            client.destroy_group(group.eg.id)
    text = f"{networks} model(s) unloaded, {len(groups)} NCG(s) destroyed"
    return _told(text, {"models_unloaded": networks, "ncgs_destroyed": len(groups)}, as_json=as_json)
