"""How each application serves, a line for each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from neuron_console.palette import CALM, FAULT_STYLE, WARNING_STYLE
from neuron_console.units import format_latency
from neuron_top.bars import sparkline
from neuron_top.formatting import format_rate, shorten
from neuron_top.glyphs import UNICODE, Glyphs
from neuron_top.model.processes import Application
from runtime_core.telemetry import Severity

_TAG_CELLS = 24
_TREND_FROM_CELLS = 72


def application_heading(width: int) -> Text:
    """The columns of the applications."""
    tag = _tag_cells(width)
    columns = f" {'APPLICATION':<{tag}} {'EXEC/S':>9} {'P50':>9} {'P99':>9} {'ERR/S':>8}"
    if width >= _TREND_FROM_CELLS:
        columns += "  EXEC/S, TREND"
    return Text(columns[:width], style="dim")


def _tag_cells(width: int) -> int:
    return max(8, min(_TAG_CELLS, width - 42))


def trend_cells(width: int) -> int:
    """How many values an application's sparkline shows; 0 where there is no room for one."""
    return max(0, min(60, width - _tag_cells(width) - 44)) if width >= _TREND_FROM_CELLS else 0


def application_line(app: Application, trend: Sequence[float | None], width: int, glyphs: Glyphs = UNICODE) -> Text:
    """How one application serves; a click opens its history."""
    tag = _tag_cells(width)
    style = "" if app.grade is None else FAULT_STYLE if app.grade is Severity.CRITICAL else WARNING_STYLE
    mark = glyphs.mark if app.grade is not None and app.grade > Severity.NOTICE else " "
    name = Text(shorten(app.name, tag, glyphs.ellipsis))
    name.truncate(tag, pad=True)
    text = Text().append(mark, style).append_text(name)
    text.stylize(style, 1)
    text.append(f" {format_rate(app.executions_per_second):>9}")
    text.append(f" {format_latency(app.p50_ns):>9} {format_latency(app.p99_ns):>9} ")
    failing = bool(app.errors_per_second)
    text.append(f"{format_rate(app.errors_per_second):>8}", FAULT_STYLE if failing else "")
    if trend:
        top = max((v for v in trend if v is not None), default=0.0)
        text.append("  ").append(sparkline(trend, top, glyphs), CALM)
    if app.pid:
        text.apply_meta({"@click": f"screen.open_pid({app.pid})"})
    text.truncate(width)
    return text
