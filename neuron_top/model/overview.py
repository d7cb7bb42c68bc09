"""What the screen shows of two snapshots, as plain records: computed here, drawn elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from neuron_top.model.faults import NO_FAULTS, Faults
from runtime_core.telemetry import Rates, Snapshot
from runtime_core.telemetry.rates import CoreRate
from runtime_core.telemetry.snapshot import CoreMemory, Device, HostMemory, Runtime, Subgraph, sum_known

ALL_TAB = "all"
_KEPT_CORES = 512


class CoreCell(NamedTuple):
    """One NeuronCore: busy share of time and FLOP/s; ``owned`` distinguishes an idle core from a free one."""

    core: int
    utilization_ratio: float | None
    flops_per_second: float | None
    owned: bool
    hung: bool = False


class DeviceRow(NamedTuple):
    """The cores of one Neuron Device; ``lost``: the device disappeared."""

    device: int
    cores: tuple[CoreCell, ...]
    lost: bool = False


class VcpuView(NamedTuple):
    """Shares (0..1) of the instance's vCPUs; ``None`` where not available."""

    system_user: float | None
    system_system: float | None
    runtime_user: float | None
    runtime_system: float | None


class MemoryView(NamedTuple):
    """Totals of the selected runtimes, by category."""

    host_total: int | None
    host: HostMemory
    device_total: int | None
    device: CoreMemory


class TreeRow(NamedTuple):
    """A row of the memory tree; a parent shows the sum of its children.

    ``tail`` follows the label, and stays whole if the label is too long.
    """

    key: str
    label: str
    host_bytes: int | None
    device_bytes: int | None
    children: tuple[TreeRow, ...]
    tail: str = ""


class View(NamedTuple):
    """Everything the overview shows for the selected tab."""

    tabs: tuple[str, ...]
    selected: int
    rows: tuple[DeviceRow, ...]
    vcpu: VcpuView
    memory: MemoryView
    tree: tuple[TreeRow, ...]
    core_version: str = "v1"


def tab_names(snapshot: Snapshot) -> tuple[str, ...]:
    """Return ``all``, then the tag of each runtime, with its pid if several runtimes have the same tag."""
    count = Counter(r.tag for r in snapshot.runtimes)
    return (ALL_TAB, *(r.tag if count[r.tag] == 1 else f"{r.tag}:{r.pid}" for r in snapshot.runtimes))


def chosen_runtimes(snapshot: Snapshot, selected: int) -> tuple[Runtime, ...]:
    """The runtimes of a tab; tab 0 is all of them."""
    return snapshot.runtimes if selected <= 0 else snapshot.runtimes[selected - 1 : selected]


def core_rows(
    snapshot: Snapshot,
    rates: Rates | None,
    chosen: Sequence[Runtime],
    faults: Faults = NO_FAULTS,
    lost: Sequence[Device] = (),
) -> tuple[DeviceRow, ...]:
    """Return a cell per core, with the rate of its owner among ``chosen``.

    A core without owner is idle, unless the core itself has counters.
    """
    found: dict[int, CoreRate | None] = {}
    everything = len(chosen) == len(snapshot.runtimes)
    for device in snapshot.devices:
        if everything:
            found |= {core: rates.cores.get(core) if rates is not None else None for core in device.cores}
        elif any(r.error and (r.uses(device) or not (r.cores or r.devices)) for r in chosen):
            # What is shared, or used by one that can't be read, can't be told apart, and must not be shown as idle.
            found |= dict.fromkeys(device.core_ids, None)
    for runtime in chosen:
        all_rates = rates.runtimes.get(runtime.key) if rates is not None else None
        for core in runtime.cores:
            found[core] = all_rates.cores.get(core) if all_rates is not None else None
    owned = {core for runtime in chosen for core in runtime.cores}
    rows = []
    for device in snapshot.devices:
        cells = []
        for core in device.core_ids:
            rate = found.get(core)
            known = core in found
            cells.append(
                CoreCell(
                    core,
                    rate.utilization_ratio if rate is not None else (None if known else 0.0),
                    rate.flops_per_second if rate is not None else (None if known else 0.0),
                    core in owned,
                    core in faults.hung,
                )
            )
        rows.append(DeviceRow(device.index, tuple(cells)))
    gone = [
        DeviceRow(d.index, tuple(CoreCell(core, None, None, core in owned) for core in d.core_ids), True) for d in lost
    ]
    return tuple(sorted((*rows, *gone), key=lambda row: row.device)) if gone else tuple(rows)


def _vcpu(snapshot: Snapshot, rates: Rates | None, chosen: Sequence[Runtime]) -> VcpuView:
    host = rates.host if rates is not None else None
    system_user = system_system = runtime_user = runtime_system = None
    if host is not None:
        a = host.average
        system_user, system_system = a.user + a.nice, a.system + a.io_wait + a.irq + a.soft_irq
    if rates is not None and snapshot.host is not None:
        used = [
            (rate.cpu, rate.seconds)
            for r in chosen
            if (rate := rates.runtimes.get(r.key)) is not None and rate.cpu is not None and rate.seconds > 0
        ]
        if used or not chosen:
            count = len(snapshot.host.vcpus)
            runtime_user = sum(cpu.user_seconds / seconds for cpu, seconds in used) / count
            runtime_system = sum(cpu.system_seconds / seconds for cpu, seconds in used) / count
    return VcpuView(system_user, system_system, runtime_user, runtime_system)


def _sum_fields(records: Sequence[tuple[int | None, ...]], width: int) -> list[int | None]:
    """Field by field; nothing to add is 0, nothing known is ``None``."""
    return [sum_known(tuple(r[i] for r in records)) if records else 0 for i in range(width)]


def _unattributed(snapshot: Snapshot) -> dict[int, int]:
    """Device -> memory that is in use there, and by no process that is known."""
    found = {device.index: snapshot.unattributed_memory_bytes(device) for device in snapshot.devices}
    return {index: used for index, used in found.items() if used}


def _memory(chosen: Sequence[Runtime], unattributed_bytes: int) -> MemoryView:
    host = HostMemory(*_sum_fields([r.host_memory or HostMemory() for r in chosen], len(HostMemory._fields)))
    parts = [use.memory for r in chosen for use in r.cores.values()]
    parts += [CoreMemory() for r in chosen if r.error and not r.cores]
    device = CoreMemory(*_sum_fields(parts, len(CoreMemory._fields)))
    total = device.total_bytes
    if unattributed_bytes:
        total = (total or 0) + unattributed_bytes
    return MemoryView(host.total_bytes, host, total, device)


_CATEGORIES = {
    "application_memory": "Application Memory",
    "constants": "Constants",
    "dma_buffers": "DMA Buffers",
    "tensors": "Tensors",
    "model_code": "Model Code",
    "runtime_memory": "Runtime Memory",
    "model_shared_scratchpad": "Model Scratchpad",
}


def category_rows(key: str, host: HostMemory, device: dict[str, int | None]) -> tuple[TreeRow, ...]:
    """A row a category of which anything is used, on the host or on the device."""
    host_bytes = host._asdict()
    nothing = 0 if host.total_bytes is not None else None
    return tuple(
        TreeRow(f"{key}/{field}", label, host_bytes.get(field, nothing), device.get(field, 0), ())
        for field, label in _CATEGORIES.items()
        if host_bytes.get(field) or device.get(field)
    )


def parent_row(key: str, label: str, children: tuple[TreeRow, ...], tail: str = "") -> TreeRow:
    """A row over others, with their sums."""
    return TreeRow(
        key,
        label,
        sum_known(tuple(c.host_bytes for c in children)) if children else 0,
        sum_known(tuple(c.device_bytes for c in children)) if children else 0,
        children,
        tail,
    )


def _model_row(key: str, number: int, name: str, part: Subgraph) -> TreeRow:
    here = f"{key}/{number}"
    device: dict[str, int | None] = dict(part.device_memory._asdict())
    return parent_row(here, f"{number} {name}", category_rows(here, part.host_memory, device))


class _Share(NamedTuple):
    """What one runtime holds on a core: its memory there, and the parts of models."""

    pid: int
    memory: CoreMemory
    parts: tuple[tuple[int, str, Subgraph], ...]


@lru_cache(maxsize=_KEPT_CORES)
def _core_row(device: int, place: int, shares: tuple[_Share, ...]) -> TreeRow | None:
    """A core of the tree. Memory seldom changes from look to look: most of these rows are those of the look before."""
    key = f"nd{device}/nc{place}"
    models: list[TreeRow] = []
    rest: dict[str, int | None] = {}
    host = HostMemory(0, 0, 0, 0)
    for pid, memory, parts in shares:
        models += [_model_row(f"{key}/{pid}", number, name, part) for number, name, part in parts]
        if not parts and (memory.constants or memory.model_code):
            # The source does not tell models, so what they hold on the host for this core is not known either.
            host = HostMemory()
        for field, value in memory._asdict().items():
            inside = sum(getattr(part.device_memory, field, 0) for _, _, part in parts)
            rest[field] = None if value is None else (rest.get(field) or 0) + value - inside
    if not models and not any(rest.values()):
        return None
    shared = category_rows(f"{key}/shared", host, rest)
    return parent_row(key, f"NC{place}", (*models, *shared))


def _shares(chosen: Sequence[Runtime]) -> dict[int, list[_Share]]:
    """Core -> what the runtimes hold there."""
    found: dict[int, list[_Share]] = {}
    for runtime in chosen:
        parts: dict[int, list[tuple[int, str, Subgraph]]] = {}
        for model in runtime.models:
            for part in model.subgraphs:
                parts.setdefault(part.core, []).append((model.model_id, model.name, part))
        for core, use in runtime.cores.items():
            found.setdefault(core, []).append(_Share(runtime.pid, use.memory, tuple(parts.get(core, ()))))
    return found


def _tree(snapshot: Snapshot, chosen: Sequence[Runtime], unattributed: Mapping[int, int]) -> tuple[TreeRow, ...]:
    shares = _shares(chosen)
    rows = []
    for device in snapshot.devices:
        first = device.core_ids[0] if device.core_ids else 0
        every = (_core_row(device.index, core - first, tuple(shares.get(core, ()))) for core in device.core_ids)
        cores = tuple(row for row in every if row is not None)
        if rest := unattributed.get(device.index):
            cores += (TreeRow(f"nd{device.index}/rest", "no known process", None, rest, ()),)
        if cores:
            rows.append(parent_row(f"nd{device.index}", f"ND{device.index}", cores))
    return tuple(rows)


def make_view(
    snapshot: Snapshot,
    rates: Rates | None,
    selected: int,
    faults: Faults = NO_FAULTS,
    lost: Sequence[Device] = (),
) -> View:
    """The overview of a tab; without ``rates`` (the first look) nothing is known of utilization."""
    tabs = tab_names(snapshot)
    selected = selected if 0 <= selected < len(tabs) else 0
    chosen = chosen_runtimes(snapshot, selected)
    # What belongs to nobody is nobody's tab's.
    unattributed = _unattributed(snapshot) if len(chosen) == len(snapshot.runtimes) else {}
    return View(
        tabs,
        selected,
        core_rows(snapshot, rates, chosen, faults, lost),
        _vcpu(snapshot, rates, chosen),
        _memory(chosen, 0 if selected else sum(unattributed.values())),
        _tree(snapshot, chosen, unattributed),
        snapshot.devices[0].core_version if snapshot.devices else "",
    )


def visible_rows(tree: Sequence[TreeRow], is_open: Callable[[str], bool], depth: int = 0) -> list[tuple[int, TreeRow]]:
    """The rows of a partly opened tree with their depths, from the top."""
    rows: list[tuple[int, TreeRow]] = []
    for row in tree:
        rows.append((depth, row))
        if row.children and is_open(row.key):
            rows += visible_rows(row.children, is_open, depth + 1)
    return rows
