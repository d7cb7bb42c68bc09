"""The table, in exactly the form of the original neuron-ls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from neuron_console.text import cell_width, padded, printable
from runtime_core.telemetry import format_ranges
from runtime_core.telemetry.kubelet.pods import pods_of

if TYPE_CHECKING:
    from neuron_ls.watchers import Watcher
    from runtime_core.telemetry.snapshot import Device, Snapshot

NOT_AVAILABLE = "NA"
COMMAND_CHARACTERS = 37
WIDE_COMMAND_CHARACTERS = 77


class _Process(NamedTuple):
    pid: str
    command: str
    version: str
    pod: str = NOT_AVAILABLE


def format_memory(size_bytes: int | None) -> str:
    """Format device memory: ``8 GB`` (binary units, as in the original)."""
    if size_bytes is None:
        return NOT_AVAILABLE
    gib = size_bytes / 2**30
    return f"{gib:.0f} GB" if gib == int(gib) else f"{gib:.1f} GB"


def cut(command: str, limit: int) -> str:
    """Return the command, shortened with three dots, without control characters that a process could put there."""
    command = printable(command)
    return command if len(command) <= limit else f"{command[:limit]}..."


def _text(value: object | None) -> str:
    return NOT_AVAILABLE if value is None else printable(str(value))


class _Layout(NamedTuple):
    """The columns of the table.

    Attributes:
        busy: a process uses a device, so the table names processes.
        wide: longer commands.
        east_west: the chips name their links East and West, and ``wide`` is set.
        links: there is more than one device, or a link to a device that is not visible.
        pods: a kubelet reports which pods hold the cores.
    """

    busy: bool
    wide: bool
    east_west: bool
    links: bool
    pods: bool


def _layout(devices: Sequence[Device], *, busy: bool, wide: bool, pods: bool) -> _Layout:
    links = len(devices) > 1 or any(device.connected for device in devices)
    return _Layout(busy, wide, wide and links and any(d.chip.name == "Inferentia" for d in devices), links, pods)


def _left_columns(device: Device, layout: _Layout) -> list[str]:
    columns = [
        str(device.index),
        # Every device has cores; none are listed only if the driver does not report them.
        str(len(device.core_ids) or NOT_AVAILABLE),
        format_ranges(device.core_ids) if device.core_ids else NOT_AVAILABLE,
        format_memory(device.memory_total_bytes),
    ]
    if layout.east_west:
        columns += [_text(device.east), _text(device.west)]
    if layout.links:
        columns.append(", ".join(str(c) for c in device.connected) or NOT_AVAILABLE)
    return [*columns, _text(device.bdf)]


def _headings(layout: _Layout) -> list[str]:
    headings = ["NEURON\nDEVICE", "NEURON\nCORES", "NEURON\nCORE IDS", "NEURON\nMEMORY"]
    if layout.east_west:
        headings += ["EAST", "WEST"]
    if layout.links:
        headings.append("CONNECTED\nDEVICES")
    headings.append("PCI\nBDF")
    if not layout.busy:
        return [*headings, "CPU\nAFFINITY", "NUMA\nNODE"]
    return [*headings, "PID", "COMMAND", "RUNTIME\nVERSION", *(["POD"] if layout.pods else [])]


def _header(snapshot: Snapshot) -> list[str]:
    """Return the lines above the table. They name the chip unless it is Inferentia."""
    lines = [f"instance-type: {snapshot.instance.instance_type}", f"instance-id: {snapshot.instance.instance_id}"]
    joined = {d.physical_cores_per_core for d in snapshot.devices if d.chip.physical_cores_per_core > 1}
    lines += [f"logical-neuroncore-config: {size}" for size in sorted(joined)]
    chips = {(d.chip.name, d.core_version or NOT_AVAILABLE) for d in snapshot.devices if d.chip.name}
    lines += [f"neuron-device: {chip}, NeuronCore {core}" for chip, core in sorted(chips) if chip != "Inferentia"]
    return [printable(line) for line in lines]


def _processes(
    snapshot: Snapshot, device: Device, watchers: Sequence[Watcher], limit: int, pods: Mapping[int, str]
) -> list[_Process]:
    users = [
        _Process(str(r.pid), cut(r.command, limit), _text(r.version or None), _text(pods_of(r, pods) or None))
        for r in snapshot.runtimes
        if r.uses(device)
    ]
    return users + [_Process(str(w.pid), cut(w.command, limit), NOT_AVAILABLE) for w in watchers]


def _rows(
    snapshot: Snapshot, watchers: Sequence[Watcher], layout: _Layout, pods: Mapping[int, str]
) -> list[list[list[str]]]:
    """Return a list of lines for each device."""
    limit = WIDE_COMMAND_CHARACTERS if layout.wide else COMMAND_CHARACTERS
    result = []
    for device in snapshot.devices:
        left = _left_columns(device, layout)
        if not layout.busy:
            result.append([[*left, _text(device.cpu_affinity), _text(device.numa_node)]])
            continue
        lines = _processes(snapshot, device, watchers, limit, pods) or [_Process(*[NOT_AVAILABLE] * 3)]
        blank = [""] * len(left)
        columns = len(_Process._fields) if layout.pods else len(_Process._fields) - 1
        result.append([[*(left if i == 0 else blank), *line[:columns]] for i, line in enumerate(lines)])
    return result


def render_table(
    snapshot: Snapshot,
    watchers: Sequence[Watcher] = (),
    *,
    pods: Mapping[int, str] | None = None,
    wide: bool = False,
    bold: bool = False,
) -> str:
    """Return the header lines and the table.

    Args:
        snapshot: the node.
        watchers: processes that only watch the node.
        pods: global core index -> the pod that holds it; ``None``: no column of pods.
        wide: show longer commands, and EAST and WEST if the chips name their links so.
        bold: headings in bold, for a terminal.
    """
    busy = bool(watchers) or any(r.uses(d) for r in snapshot.runtimes for d in snapshot.devices)
    layout = _layout(snapshot.devices, busy=busy, wide=wide, pods=pods is not None)
    headings = [h.split("\n") for h in _headings(layout)]
    devices = _rows(snapshot, watchers, layout, pods or {})
    widths = [
        max(*(len(part) for part in heading), *(cell_width(line[column]) for lines in devices for line in lines))
        for column, heading in enumerate(headings)
    ]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    out = [*_header(snapshot), rule]
    for number in range(2):
        cells = [(h[number] if number < len(h) else "").center(w) for h, w in zip(headings, widths, strict=True)]
        line = "| " + " | ".join(cells) + " |"
        out.append(f"\x1b[1m{line}\x1b[0m" if bold else line)
    out.append(rule)
    for lines in devices:
        for cells in lines:
            out.append("| " + " | ".join(padded(c, w) for c, w in zip(cells, widths, strict=True)) + " |")
        if busy:
            out.append(rule)
    if not busy:
        out.append(rule)
    return "\n".join(out)
