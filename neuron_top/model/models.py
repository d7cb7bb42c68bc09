"""The tree of loaded models: process, model, the part on each NeuronCore, memory by category."""

from __future__ import annotations

from neuron_top.model.overview import TreeRow, category_rows, parent_row, tab_names
from neuron_top.model.table import matches
from runtime_core.telemetry import Snapshot
from runtime_core.telemetry.snapshot import Model, Runtime


def _model_row(key: str, model: Model) -> TreeRow:
    here = f"{key}/{model.model_id}"
    parts = []
    for part in model.subgraphs:
        at = f"{here}/{part.name}@{part.core}"
        label = f"{part.name} on ND{part.device} NC{part.core % 4}"
        device: dict[str, int | None] = dict(part.device_memory._asdict())
        parts.append(parent_row(at, label, category_rows(at, part.host_memory, device)))
    state = "running" if model.running else "standby"
    return parent_row(here, f"{model.model_id} {model.name}", tuple(parts), f"  {state}  {model.uuid[:8]}")


def make_models(snapshot: Snapshot, selected: int, needle: str = "") -> tuple[TreeRow, ...]:
    """The processes of a tab with their models; of those, the ones whose tag or name the filter names."""
    rows = []
    for number, (name, runtime) in enumerate(zip(tab_names(snapshot)[1:], snapshot.runtimes, strict=True), 1):
        if selected not in (0, number):
            continue
        row = _runtime_row(name, runtime, needle)
        if row is not None:
            rows.append(row)
    return tuple(rows)


def _runtime_row(name: str, runtime: Runtime, needle: str) -> TreeRow | None:
    found = [m for m in runtime.models if matches(needle, name, m.name, m.uuid, str(m.model_id))]
    if needle and not found:
        return None
    key = f"pid{runtime.pid}"
    who = f"pid {runtime.pid}, {runtime.address}" if runtime.address else f"pid {runtime.pid}"
    tail = f" ({who}), {len(found)} model{'' if len(found) == 1 else 's'}"
    return parent_row(key, name, tuple(_model_row(key, model) for model in found), tail)
