"""The heat map: every NeuronCore of the node, its load as a colour and a number, its owner and the last minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from neuron_top.bars import heat_colour, heat_style, sparkline
from neuron_top.draw.overview import CoreSeries
from neuron_top.formatting import NOT_AVAILABLE, format_flops, shorten
from neuron_top.glyphs import UNICODE, Glyphs
from neuron_top.model.overview import CoreCell, DeviceRow

_LABEL_CELLS = 5
_HEAT_CELLS = 7
_OWNER_CELLS = 12
_MIN_CELLS = 18
_LEGEND_STEPS = 10


def _number(cell: CoreCell, flops: bool) -> str:
    if flops:
        return "N/A" if cell.flops_per_second is None else format_flops(cell.flops_per_second).replace("FLOPS", "F/s")
    return NOT_AVAILABLE if cell.utilization_ratio is None else f"{cell.utilization_ratio * 100:.1f}%"


def _shade(ratio: float | None, glyphs: Glyphs) -> str:
    """The load as a character, for terminals without colour."""
    if ratio is None:
        return "?"
    return glyphs.shades[min(len(glyphs.shades) - 1, round(ratio * (len(glyphs.shades) - 1)))]


def _cell(
    cell: CoreCell, width: int, owner: str, recent: list[float | None], *, flops: bool, glyphs: Glyphs, colour: bool
) -> Text:
    heat_cells = 13 if flops else _HEAT_CELLS
    number = f"{_number(cell, flops):>{heat_cells - 1}}"
    ratio = cell.utilization_ratio
    text = Text()
    if colour:
        text.append(number + " ", heat_style(ratio) if cell.owned or ratio else "dim")
    else:
        text.append(_shade(ratio, glyphs) + number)
    text.append(" ")
    rest = width - heat_cells - 2
    if rest >= _OWNER_CELLS + 6:
        text.append(f"{shorten(owner, _OWNER_CELLS, glyphs.ellipsis):<{_OWNER_CELLS}} ", "dim")
        rest -= _OWNER_CELLS + 1
    text.append(sparkline(recent[-max(1, rest) :], 1.0, glyphs).ljust(max(1, rest)), "#56B4E9" if colour else "")
    text.append(" ")
    return text


def spark_cells(width: int, cores_per_device: int) -> int:
    """How many values a core's sparkline can show."""
    return max(1, (width - _LABEL_CELLS) // max(1, cores_per_device) - _HEAT_CELLS)


def heat_lines(
    rows: tuple[DeviceRow, ...],
    width: int,
    owners: Mapping[int, str],
    recent: CoreSeries,
    *,
    flops: bool = False,
    glyphs: Glyphs = UNICODE,
    colour: bool = True,
) -> list[Text]:
    """A line a device; ``owners``: global core -> tag; ``recent``: global core -> its last utilizations."""
    most = max((len(row.cores) for row in rows), default=1)
    each = max(_MIN_CELLS, (width - _LABEL_CELLS) // max(1, most))
    header = Text(" " * _LABEL_CELLS, style="dim")
    for place in range(most):
        header.append(f"NC{place}".ljust(each))
    header.truncate(width)
    lines = [header]
    for row in rows:
        line = Text().append(f"ND{row.device}".ljust(_LABEL_CELLS), "bold")
        for cell in row.cores:
            series = list(recent.get(cell.core, ()))
            line.append_text(
                _cell(cell, each, owners.get(cell.core, ""), series, flops=flops, glyphs=glyphs, colour=colour)
            )
        line.truncate(width)
        lines.append(line)
    return lines


LEGEND = ("share of time busy", "curves: the last 5 minutes", "dim: nobody owns the core")


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
