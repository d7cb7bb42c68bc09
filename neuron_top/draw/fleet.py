"""The fleet's first line, and the heat map of all cores of all nodes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from rich.text import Text

from neuron_console.palette import FAULT_STYLE, WARNING_STYLE
from neuron_top.bars import heat_colour
from neuron_top.formatting import format_percent, format_rate, shorten, shorten_node
from neuron_top.glyphs import Glyphs
from neuron_top.model.fleet import NOT_ASKED, FleetTotals, NodeRow
from runtime_core.telemetry import Severity

_NAME_CELLS = 14
_UNKNOWN_COLOUR = "#3A3A3A"


def totals_text(found: FleetTotals) -> str:
    """All nodes together, in a line."""
    silent = found.nodes - found.answering
    missing = f", {silent} not" if silent else ""
    missing += f", {found.unhealthy} with problems" if found.unhealthy else ""
    return (
        f"{found.answering} of {found.nodes} nodes answer{missing}   {found.owned}/{found.cores} cores owned   "
        f"{format_percent(found.utilization).strip()} busy   {format_rate(found.executions_per_second)}"
    )


def tile_cells(rows: Sequence[NodeRow], *, colour: bool) -> int:
    """Return the width of a node's tile: two cores per cell in color, one per cell without."""
    most = max((len(row.cores) for row in rows), default=0)
    return max(2, (most + 1) // 2 if colour else most) + 2 + _NAME_CELLS


def grade_style(row: NodeRow, *, colour: bool) -> str:
    """How the name and state of a node look."""
    if row.problem:
        return "dim" if row.problem == NOT_ASKED else (FAULT_STYLE if colour else "bold reverse")
    if row.grade is Severity.CRITICAL:
        return FAULT_STYLE if colour else "bold reverse"
    if row.grade is Severity.WARNING:
        return WARNING_STYLE if colour else "bold"
    return ""


def _colour(share: float | None) -> str:
    return _UNKNOWN_COLOUR if share is None else heat_colour(share)


def tile(row: NodeRow, cells: int, glyphs: Glyphs, *, colour: bool, chosen: bool) -> Text:
    """One node: its cores by number, the even ones above the odd ones; ``x`` where there is no answer."""
    room = cells - 1
    text = Text(shorten_node(row.endpoint.rpartition(":")[0] or row.endpoint, _NAME_CELLS, glyphs.ellipsis))
    text.truncate(_NAME_CELLS, pad=True)
    text.stylize(grade_style(row, colour=colour))
    text.append(" ")
    if row.problem:
        text.append("x" * (min(room, max(1, len(row.cores) // (2 if colour else 1)))), FAULT_STYLE if colour else "")
    elif colour:
        pairs = itertools.zip_longest(row.cores[::2], row.cores[1::2], fillvalue=0.0)
        styles = (f"{_colour(upper)} on {_colour(lower)}" for upper, lower in pairs)
        for style, run in itertools.groupby(styles):
            text.append("▀" * sum(1 for _ in run), style)
    else:
        steps = len(glyphs.shades) - 1
        for share in row.cores:
            text.append("?" if share is None else glyphs.shades[min(steps, round(share * steps))])
    text.truncate(room, pad=True)
    text.append("<" if chosen else " ", "bold" if chosen else "")
    return text


def chosen_line(row: NodeRow | None, state: str, width: int, glyphs: Glyphs) -> Text:
    """Who the chosen tile is, and how it does."""
    if row is None:
        return Text()
    words = f" {row.endpoint}  {row.instance_type}  {format_percent(row.utilization).strip()} busy  {state}"
    return Text(shorten(words, width, glyphs.ellipsis), style="bold")
