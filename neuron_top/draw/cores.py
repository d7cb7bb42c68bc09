"""The heat map: every NeuronCore of the node, its load as a colour and a number, its owner and the last minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.text import Text

from neuron_console.palette import CALM, HUNG_STYLE
from neuron_console.units import NOT_AVAILABLE
from neuron_top.bars import curve_rows, heat_colour, heat_style
from neuron_top.draw.overview import CoreSeries, lost_line
from neuron_top.formatting import short_flops, shorten
from neuron_top.glyphs import UNICODE, Glyphs
from neuron_top.model.overview import CoreCell, DeviceRow

_LABEL_CELLS = 5
_HEAT_CELLS = 7
_OWNER_CELLS = 12
_MIN_CELLS = 9
_LEGEND_STEPS = 10
_FLOPS_CELLS = 8
_MOST_LINES = 6
_GAP_FROM_LINES = 3


def _number(cell: CoreCell, flops: bool) -> str:
    if cell.hung:
        return "HUNG"
    if flops:
        return short_flops(cell.flops_per_second)
    return NOT_AVAILABLE if cell.utilization_ratio is None else f"{cell.utilization_ratio * 100:.1f}%"


def _shade(ratio: float | None, glyphs: Glyphs) -> str:
    """The load as a character, for terminals without colour."""
    if ratio is None:
        return "?"
    return glyphs.shades[min(len(glyphs.shades) - 1, round(ratio * (len(glyphs.shades) - 1)))]


class Plan(NamedTuple):
    """How the place is used: cells of a core, of its number, owner and curve; lines of a device and below it."""

    each: int
    heat: int
    owner: int
    curve: int
    lines: int
    gap: int


def plan(width: int, height: int, rows: Sequence[DeviceRow], *, flops: bool = False) -> Plan:
    """Share ``width`` among a device's cores, and what ``height`` the heading leaves among the devices."""
    most = max((len(row.cores) for row in rows), default=1)
    each = max(_MIN_CELLS, (width - _LABEL_CELLS) // max(1, most))
    heat = _FLOPS_CELLS if flops else _HEAT_CELLS
    rest = max(0, each - heat - 2)
    owner = _OWNER_CELLS + 1 if rest >= _OWNER_CELLS + 6 else 0
    room = (height - 1) // max(1, len(rows))
    gap = 1 if room >= _GAP_FROM_LINES else 0
    return Plan(each, heat, owner, max(1, rest - owner), max(1, min(_MOST_LINES, room - gap)), gap)


def _cell(
    cell: CoreCell,
    place: Plan,
    owner: str,
    recent: Sequence[float | None],
    *,
    flops: bool,
    glyphs: Glyphs,
    colour: bool,
) -> list[Text]:
    """The lines of one core: the number in the first, the curve over all of them."""
    number = f"{_number(cell, flops):>{place.heat - 1}}"
    ratio = cell.utilization_ratio
    lines = []
    for row, curve in enumerate(curve_rows(recent, 1.0, place.lines, glyphs)):
        text = Text()
        shown = number if row == 0 else " " * (place.heat - 1)
        if cell.hung:
            text.append(f"{shown.strip():^{place.heat}}", HUNG_STYLE)
        elif colour:
            text.append(shown + " ", heat_style(ratio) if cell.owned or ratio else "dim")
        else:
            text.append((_shade(ratio, glyphs)) + shown)
        text.append(" ")
        if place.owner:
            name = shorten(owner, _OWNER_CELLS, glyphs.ellipsis) if row == 0 else ""
            text.append(name, "dim").append(" " * (place.owner - cell_len(name)))
        text.append(curve.ljust(place.curve), CALM if colour else "")
        text.append(" ")
        text.truncate(place.each, pad=True)
        if owner:
            text.apply_meta({"@click": f"screen.open_core({cell.core})"})
        lines.append(text)
    return lines


def heat_lines(
    rows: tuple[DeviceRow, ...],
    width: int,
    place: Plan,
    owners: Mapping[int, str],
    recent: CoreSeries,
    *,
    flops: bool = False,
    glyphs: Glyphs = UNICODE,
    colour: bool = True,
) -> list[Text]:
    """Some lines a device; ``owners``: global core -> tag; ``recent``: global core -> its last utilizations."""
    header = Text(" " * _LABEL_CELLS, style="dim")
    for number in range(max((len(row.cores) for row in rows), default=1)):
        header.append(f"NC{number}".ljust(place.each))
    header.truncate(width)
    lines = [header]
    for row in rows:
        if row.lost:
            lines += [lost_line(row.device, width, glyphs), *[Text()] * (place.lines + place.gap - 1)]
            continue
        parts = [Text().append((f"ND{row.device}" if i == 0 else "").ljust(_LABEL_CELLS), "bold")
                 for i in range(place.lines)]  # fmt: skip
        for cell in row.cores:
            series = recent.get(cell.core, ())
            drawn = _cell(cell, place, owners.get(cell.core, ""), series, flops=flops, glyphs=glyphs, colour=colour)
            for part, text in zip(parts, drawn, strict=True):
                part.append_text(text)
        parts += [Text()] * place.gap
        for part in parts:
            part.truncate(width)
        lines += parts
    return lines


LEGEND = ("share of time busy", "curves: the last 5 minutes", "dim: no owner", "a click opens the owner")


def legend(width: int, glyphs: Glyphs = UNICODE, notes: Sequence[str] = LEGEND, *, colour: bool = True) -> Text:
    """What the colours mean, and as many notes as fit."""
    text = Text().append("  0% ", "dim")
    for step in range(_LEGEND_STEPS):
        ratio = (step + 0.5) / _LEGEND_STEPS
        text.append("  ", f"on {heat_colour(ratio)}") if colour else text.append(_shade(ratio, glyphs))
    text.append(" 100%", "dim")
    for note in notes:
        if text.cell_len + len(note) + 3 <= width:
            text.append(f"   {note}", "dim")
    text.truncate(width)
    return text
