"""The table of loaded models in a page; the caller guards changes."""

from __future__ import annotations

from collections.abc import Sequence

from runtime_core.driver import layout
from runtime_core.status import NrtError, NrtStatus


def enter(
    page: layout.Page,
    model_id: int,
    name: str,
    uuid: str,
    subgraphs: Sequence[tuple[int, Sequence[int], Sequence[int]]],
    *,
    running: bool,
) -> None:
    """Add a model; see :meth:`runtime_core.driver.pages.page.RuntimePage.add_model`.

    Raises:
        NrtError: RESOURCE, when the table is full.
    """
    used = page.model_high_water
    slot = next((i for i, entry in enumerate(page.models[:used]) if not entry.model_id), used)
    first = _free_run(page, len(subgraphs))
    if slot == layout.MAX_MODELS or first + len(subgraphs) > layout.MAX_SUBGRAPHS:
        raise NrtError(
            NrtStatus.RESOURCE,
            (f"the process's model table is full ({layout.MAX_MODELS} models, {layout.MAX_SUBGRAPHS} subgraphs)"),
            mend="unload one first",
        )
    for offset, (core, host, device) in enumerate(subgraphs):
        target = page.subgraphs[first + offset]
        target.used, target.core = 1, core
        target.host_memory[:] = list(host)
        target.device_memory[:] = list(device)
    for core in {core for core, _, _ in subgraphs}:
        page.cores[core].model_load_count += 1
    entry = page.models[slot]
    entry.uuid, entry.name = uuid.encode()[:32], name.encode("utf-8", "replace")[:255]
    entry.first_subgraph, entry.subgraph_count = first, len(subgraphs)
    entry.running, entry.model_id = int(running), model_id
    page.subgraph_high_water = max(page.subgraph_high_water, first + len(subgraphs))
    page.model_high_water = max(page.model_high_water, slot + 1)
    page.models_generation += 1


def leave(page: layout.Page, model_id: int) -> None:
    """Remove a model from the table; no effect if it is not in it."""
    for entry in page.models[: page.model_high_water]:
        if entry.model_id == model_id:
            for index in range(entry.first_subgraph, entry.first_subgraph + entry.subgraph_count):
                page.subgraphs[index].used = 0
            entry.model_id = 0
    page.models_generation += 1


def set_running(page: layout.Page, model_id: int, running: bool) -> None:
    """Mark a model as started or in standby."""
    for entry in page.models[: page.model_high_water]:
        if entry.model_id == model_id:
            entry.running = int(running)
    page.models_generation += 1


def _free_run(page: layout.Page, length: int) -> int:
    """First of ``length`` free subgraph slots in a row; they may end behind the table."""
    run = 0
    for index, slot in enumerate(page.subgraphs[: page.subgraph_high_water]):
        run = 0 if slot.used else run + 1
        if run == length:
            return index - length + 1
    return int(page.subgraph_high_water) - run
