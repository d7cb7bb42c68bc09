"""Charts: braille lines over a dotted grid with a scale, or blocks where the terminal has ASCII only."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rich.text import Text

from neuron_console.palette import CALM, FAULT_STYLE
from neuron_console.units import NOT_AVAILABLE, format_span
from neuron_top.glyphs import UNICODE, Glyphs

AXIS_CELLS = 11
_MIDDLE_FROM_ROWS = 9
_LEAST = 1e-12
"""Nothing that is charted has a figure this small; divided on, it would become no number at all."""
_STEPS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0)

Values = Sequence[float | None]


class Curve(NamedTuple):
    """One line of a chart; ``values``: two to a cell."""

    name: str
    values: Values
    style: str = CALM


class Chart(NamedTuple):
    """What one chart shows.

    Attributes:
        title: with the unit's meaning, e.g. "Throughput".
        curves: of one unit; the last one is drawn over the others.
        text: how a value is written.
        maximum: top of the scale; ``None`` finds one.
    """

    title: str
    curves: tuple[Curve, ...]
    text: Callable[[float | None], str]
    maximum: float | None = None


def scale_top(largest: float, base: int = 10) -> float:
    """The next round number: 1, 1.5, 2, 3, 4, 5, 7.5 times a power of ``base`` (10, or 1024 for bytes)."""
    if largest < _LEAST:
        return 1.0
    power = 1.0
    while power * base <= largest:
        power *= base
    while power > largest:
        power /= base
    if base != 10:
        # Within a binary unit, decimal steps of it: 1, 2, 5, 10, 20 ... MiB.
        return power * scale_top(largest / power)
    return power * next(step for step in _STEPS if step * power >= largest * 0.999999)


def latest(values: Values) -> float | None:
    """The last value, if the last column has one."""
    return values[-1] if values else None


_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""Bits of a braille character, by column, from the bottom."""

_BRAILLE = 0x2800
_GRID_CELLS = 6
_THIN = "dim"


def _block_cell(values: tuple[float | None, ...], row: int, rows: int, top: float, glyphs: Glyphs) -> str:
    """One cell of blocks: the highest of the curves. ``row`` counts from the bottom."""
    steps = len(glyphs.levels) - 1
    value = max((v for v in values if v is not None), default=None)
    if value is None:
        return " "
    filled = round(max(0.0, min(1.0, value / top)) * rows * steps) - row * steps
    # What is more than nothing shows at least the lowest step.
    return glyphs.levels[max(int(row == 0 and value > 0), min(steps, max(0, filled)))]


def _dots(values: Values, columns: int, rows: int, top: float) -> dict[tuple[int, int], int]:
    """(column, row from the bottom) -> bits of a line through the values, two to a cell."""
    found: dict[tuple[int, int], int] = {}
    height = rows * 4
    before: int | None = None
    for x in range(min(len(values), columns * 2)):
        value = values[x]
        if value is None:
            before = None
            continue
        y = min(height - 1, max(0, round(max(0.0, min(1.0, value / top)) * (height - 1))))
        # A rise is drawn as one stroke up to the value before.
        for dot in range(min(y, y if before is None else before), max(y, y if before is None else before) + 1):
            cell = x // 2, dot // 4
            found[cell] = found.get(cell, 0) | _DOTS[x % 2][dot % 4]
        before = y
    return found


def _line_rows(chart: Chart, columns: int, rows: int, top: float) -> list[list[tuple[str, str]]]:
    """Braille lines over a dotted grid: a character and a style a cell, from the top."""
    curves = [(_dots(curve.values, columns, rows, top), curve.style) for curve in chart.curves]
    lines = []
    for row in range(rows - 1, -1, -1):
        cells = []
        for column in range(columns):
            bits, style = 0, ""
            for dots, colour in curves:
                mine = dots.get((column, row), 0)
                if mine:
                    # The curve that is named last is drawn over the others.
                    bits, style = bits | mine, colour
            if bits:
                cells.append((chr(_BRAILLE + bits), style))
            else:
                grid = column % _GRID_CELLS == 0 and (row == rows - 1 or row % 2 == 0)
                cells.append(("·" if grid else " ", _THIN))
        lines.append(cells)
    return lines


def _block_rows(chart: Chart, columns: int, rows: int, top: float, glyphs: Glyphs) -> list[list[tuple[str, str]]]:
    """Blocks: where curves differ, the highest is drawn, in the colour of the curve whose value it is."""

    def halved(values: Values, column: int) -> float | None:
        pair = [v for v in values[column * 2 : column * 2 + 2] if v is not None]
        return max(pair) if pair else None

    lines = []
    for row in range(rows - 1, -1, -1):
        cells = []
        for column in range(columns):
            here = tuple(halved(curve.values, column) for curve in chart.curves)
            cells.append((_block_cell(here, row, rows, top, glyphs), chart.curves[-1].style))
        lines.append(cells)
    return lines


def chart_lines(chart: Chart, width: int, height: int, glyphs: Glyphs = UNICODE) -> list[Text]:
    """A title with the latest values, then ``height - 1`` rows of chart with a scale on the left."""
    rows = max(1, height - 1)
    title = Text().append(f" {chart.title} ", "bold")
    for number, curve in enumerate((chart.curves[-1], *chart.curves[:-1])):
        name, value = f" {curve.name} " if curve.name else " ", chart.text(latest(curve.values)).strip()
        # Half a figure would be read as another one.
        if number and title.cell_len + len(name) + len(value) > width:
            break
        title.append(name, curve.style).append(value)
    if not any(v is not None for curve in chart.curves for v in curve.values):
        title.append(f"  {NOT_AVAILABLE} in this span", "dim")
    title.truncate(width, pad=True)
    columns = max(1, width - AXIS_CELLS - 1)
    largest = max((v for curve in chart.curves for v in curve.values if v is not None), default=0.0)
    top = chart.maximum or scale_top(largest)
    drawn = (
        _line_rows(chart, columns, rows, top) if glyphs is UNICODE else _block_rows(chart, columns, rows, top, glyphs)
    )
    lines = [title]
    for number, cells in enumerate(drawn):
        row = rows - 1 - number
        label = chart.text(top) if row == rows - 1 else (chart.text(0.0) if row == 0 else "")
        if rows >= _MIDDLE_FROM_ROWS and row == (rows - 1) // 2 and row:
            label = chart.text(top * row / (rows - 1))
        line = Text().append(f"{label.strip():>{AXIS_CELLS - 1}} ", "dim")
        for style, run in itertools.groupby(cells, lambda cell: "" if cell[0] == " " else cell[1]):
            line.append("".join(character for character, _ in run), style)
        line.append(" ")
        line.truncate(width, pad=True)
        lines.append(line)
    return lines


def time_axis(span_seconds: float, width: int, end: str, ticks: Iterable[float] = (), glyphs: Glyphs = UNICODE) -> Text:
    """What lies below a chart: how long before its right end, at ``end``, its left end and its middle are.

    ``ticks``: warnings and errors, in seconds before the end; each is marked.
    """
    columns = max(1, width - AXIS_CELLS - 1)
    left, middle, right = f"-{format_span(span_seconds)}", f"-{format_span(span_seconds / 2)}", end
    half = columns // 2
    text = left.ljust(half - len(middle) // 2) + middle if half > len(left) + len(middle) else left
    line = Text().append(" " * AXIS_CELLS).append(text + right.rjust(columns - len(text)), "dim")
    plain = line.plain
    for seconds in ticks:
        at = AXIS_CELLS + round((1 - seconds / span_seconds) * (columns - 1))
        if AXIS_CELLS <= at < len(plain) and plain[at] == " ":
            line = line[:at].append(glyphs.rising, FAULT_STYLE).append_text(line[at + 1 :])
    line.truncate(width, pad=True)
    return line


def beside(left: list[Text], right: list[Text]) -> list[Text]:
    """Two blocks of lines side by side."""
    return [a.copy().append_text(b) for a, b in zip(left, right, strict=True)]
