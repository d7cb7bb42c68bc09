"""Charts: areas of block characters with a scale, one or two curves."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.text import Text

from neuron_console.units import NOT_AVAILABLE, format_span
from neuron_top.glyphs import UNICODE, Glyphs

AXIS_CELLS = 11
_LOW_COLOUR, _HIGH_COLOUR = "#56B4E9", "#E69F00"
_LEAST = 1e-12
"""Nothing that is charted has a figure this small; divided on, it would become no number at all."""
_STEPS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0)

Values = Sequence[float | None]


class Chart(NamedTuple):
    """What one chart shows.

    Attributes:
        title: with the unit's meaning, e.g. "Throughput".
        curves: name and values; of two curves the first is the lower one.
        text: how a value is written.
        maximum: top of the scale; ``None`` finds one.
    """

    title: str
    curves: tuple[tuple[str, Values], ...]
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


def _column(values: tuple[float | None, ...], row: int, rows: int, top: float, glyphs: Glyphs) -> tuple[str, str]:
    """One cell: its character and colour. ``row`` counts from the bottom."""
    steps = len(glyphs.levels) - 1
    filled = [0 if v is None else round(max(0.0, min(1.0, v / top)) * rows * steps) - row * steps for v in values]
    low = max(0, min(steps, filled[0]))
    if len(filled) == 1:
        return glyphs.levels[low], _LOW_COLOUR
    high = max(0, min(steps, filled[1]))
    if low >= high:
        return glyphs.levels[low], _LOW_COLOUR
    if low == 0:
        return glyphs.levels[high], _HIGH_COLOUR
    # The lower curve ends inside this cell: the upper one shows behind it.
    return glyphs.levels[low], f"{_LOW_COLOUR} on {_HIGH_COLOUR}" if high == steps else _HIGH_COLOUR


def chart_lines(chart: Chart, width: int, height: int, glyphs: Glyphs = UNICODE) -> list[Text]:
    """A title with the latest values, then ``height - 1`` rows of chart with a scale on the left."""
    rows = max(1, height - 1)
    title = Text().append(f" {chart.title} ", "bold")
    for number, (name, values) in enumerate(chart.curves):
        colour = _LOW_COLOUR if number == 0 else _HIGH_COLOUR
        title.append(f" {name} " if name else " ", colour)
        title.append(f"{chart.text(latest(values)):>10}")
    if not any(v is not None for _, values in chart.curves for v in values):
        title.append(f"  {NOT_AVAILABLE} in this span", "dim")
    title.truncate(width, pad=True)
    columns = max(1, width - AXIS_CELLS - 1)
    largest = max((v for _, values in chart.curves for v in values if v is not None), default=0.0)
    top = chart.maximum or scale_top(largest)
    lines = [title]
    for row in range(rows - 1, -1, -1):
        label = chart.text(top) if row == rows - 1 else (chart.text(0.0) if row == 0 else "")
        line = Text().append(f"{label:>{AXIS_CELLS - 1}} ", "dim")
        cells = [_column(tuple(v[i] if i < len(v) else None for _, v in chart.curves), row, rows, top, glyphs)
                 for i in range(columns)]  # fmt: skip
        for style, run in itertools.groupby(cells, lambda cell: "" if cell[0] == " " else cell[1]):
            line.append("".join(character for character, _ in run), style)
        line.append(" ")
        line.truncate(width, pad=True)
        lines.append(line)
    return lines


def time_axis(span_seconds: float, width: int, end: str) -> Text:
    """What lies below a chart: how long before its right end, at ``end``, its left end and its middle are."""
    columns = max(1, width - AXIS_CELLS - 1)
    line = Text().append(" " * AXIS_CELLS)
    left, middle, right = f"-{format_span(span_seconds)}", f"-{format_span(span_seconds / 2)}", end
    half = columns // 2
    text = left.ljust(half - len(middle) // 2) + middle if half > len(left) + len(middle) else left
    line.append(text + right.rjust(columns - len(text)), "dim")
    line.truncate(width, pad=True)
    return line


def beside(left: list[Text], right: list[Text]) -> list[Text]:
    """Two blocks of lines side by side."""
    return [a.copy().append_text(b) for a, b in zip(left, right, strict=True)]
