"""Draw the devices with their links: a line, a ring or a torus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime_core.telemetry.links import torus_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runtime_core.telemetry.snapshot import Device, Snapshot

_LINK = "◄––►"
_WRAP_IN = "*––►"
_WRAP_OUT = "◄––*"
_CELL_CHARACTERS = len("[ 0 ]") + len(_LINK)


def _row(devices: Sequence[Device]) -> tuple[list[str], list[str]]:
    """Draw a line or a ring with its legend. Other links follow as text."""
    by_index = {device.index: device for device in devices}
    order = sorted(by_index)
    drawn = ""
    shown = set()
    for index, following in zip(order, [*order[1:], None], strict=True):
        drawn += f"[ {index} ]"
        if following is not None:
            linked = following in by_index[index].connected
            drawn += _LINK if linked else "    "
            shown |= {(index, following)} if linked else set()
    wraps = len(order) > 2 and order[0] in by_index[order[-1]].connected
    if wraps:
        drawn = f"{_WRAP_IN}{drawn}{_WRAP_OUT}"
        shown.add((order[0], order[-1]))
    links = {(min(d.index, n), max(d.index, n)) for d in devices for n in d.connected if n in by_index}
    others = [f"[ {one} ]{_LINK}[ {other} ]" for one, other in sorted(links - shown)]
    named = any(device.east is not None or device.west is not None for device in devices)
    legend = []
    if len(order) > 1:
        legend.append(f"         {_LINK} = {'East/West link' if named else 'NeuronLink'}")
    if wraps:
        legend.append(f"         {_WRAP_IN} = Wrap-around link")
    if not legend:
        legend.append("         one device, no links")
    return [drawn, *others], legend


def _between(marks: str, columns: int) -> Iterator[str]:
    """Return lines with one mark below (or above) each device of a row."""
    for mark in marks:
        yield "".join(f"{'':6}{mark}{'':{_CELL_CHARACTERS - 7}}" for _ in range(columns)).rstrip()


def _torus(columns: int, count: int) -> tuple[list[str], list[str]]:
    lines = list(_between("*│▼", columns))
    for first in range(0, count, columns):
        if first:
            lines += _between("▲│▼", columns)
        lines.append(_WRAP_IN + _LINK.join(f"[{index:>2} ]" for index in range(first, first + columns)) + _WRAP_OUT)
    lines += _between("▲│*", columns)
    return lines, [f"         {_WRAP_IN} = Wrap-around link"]


def render_topology(snapshot: Snapshot) -> str:
    """Return the devices in one row, or in the rows of a torus, with a legend."""
    columns = torus_columns(snapshot.devices)
    drawing, legend = _row(snapshot.devices) if columns is None else _torus(columns, len(snapshot.devices))
    return "\n".join(["", "Neuron Device Topology", *drawing, "", "Legend:", "", *legend])
