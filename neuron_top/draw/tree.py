"""Rows of a memory tree: label, host memory, device memory."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text

from neuron_console.units import format_bytes
from neuron_top.formatting import shorten
from neuron_top.glyphs import UNICODE, Glyphs
from neuron_top.model.overview import TreeRow

_NUMBER_CELLS = 14
_MIN_NAME_CELLS = 16
_MOST_LABEL_CELLS = 76
"""On a wide screen the figures stay near what they belong to."""


def _label_cells(width: int) -> int:
    return max(10, min(_MOST_LABEL_CELLS, width - 2 * _NUMBER_CELLS))


def tree_heading(width: int, first: str = "Model ID") -> Text:
    """The columns."""
    columns = f"{first:<{_label_cells(width)}}{'Host Memory':>{_NUMBER_CELLS}}{'Device Memory':>{_NUMBER_CELLS}}"
    return Text(columns[:width], style="dim")


def tree_line(depth: int, row: TreeRow, width: int, *, opened: bool, glyphs: Glyphs = UNICODE) -> Text:
    """One row, indented by its depth."""
    mark = f"{glyphs.opened if opened else glyphs.closed} " if row.children else "  "
    cells = _label_cells(width)
    room = max(_MIN_NAME_CELLS, cells - cell_len(row.tail))
    label = Text(shorten("  " * depth + mark + row.label, room, glyphs.ellipsis) + row.tail)
    label.truncate(cells, pad=True)
    host, device = format_bytes(row.host_bytes), format_bytes(row.device_bytes)
    label.append(f"{host:>{_NUMBER_CELLS}}{device:>{_NUMBER_CELLS}}")
    label.truncate(width)
    return label
