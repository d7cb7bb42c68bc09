"""Bars and sparklines with a precision of an eighth of a cell, and the colours of a load."""

from __future__ import annotations

from collections.abc import Sequence

from neuron_console.palette import BUSY, CALM, GOOD
from neuron_top.glyphs import UNICODE, Glyphs

# Loads have calm colours only: a busy core is not a broken one.
_COLOURS = ((0.5, CALM), (0.8, GOOD), (1.01, BUSY))

# Steps of the cividis map (Nuñez, Anderton, Renslow 2018), made to look the same with any kind of colour vision.
_HEAT = ("#00224E", "#123570", "#3B496C", "#575D6D", "#707173", "#8A8678", "#A59C74", "#C3B369", "#E1CC55", "#FEE838")
_DARK_HEAT_STEPS = 6
_UNKNOWN_HEAT = "default"


def bar(ratio: float | None, width: int, glyphs: Glyphs = UNICODE) -> str:
    """``ratio`` (0..1) of ``width`` cells filled; all empty where it is not available."""
    share = min(1.0, max(0.0, ratio or 0.0))
    if glyphs is not UNICODE:
        filled = round(share * width)
        return glyphs.eighths[-1] * filled + glyphs.empty * (width - filled)
    full, rest = divmod(round(share * width * 8), 8)
    return (glyphs.eighths[-1] * full + (glyphs.eighths[rest] if rest else "")).ljust(width)


def sparkline(values: Sequence[float | None], maximum: float, glyphs: Glyphs = UNICODE) -> str:
    """A character a value; what is not known is blank, what is more than nothing shows at least the lowest step."""
    top = len(glyphs.levels) - 1
    cells = []
    for value in values:
        if value is None or value <= 0 or maximum <= 0:
            cells.append(glyphs.levels[0])
        else:
            cells.append(glyphs.levels[max(1, min(top, round(value / maximum * top)))])
    return "".join(cells)


def curve_rows(values: Sequence[float | None], maximum: float, rows: int, glyphs: Glyphs = UNICODE) -> list[str]:
    """A curve ``rows`` lines high, from the top; like :func:`sparkline` in each column."""
    if rows == 1:
        return [sparkline(values, maximum, glyphs)]
    top = len(glyphs.levels) - 1
    filled = [
        0 if v is None or v <= 0 or maximum <= 0 else max(1, min(rows * top, round(v / maximum * rows * top)))
        for v in values
    ]
    return [
        "".join(glyphs.levels[max(0, min(top, steps - below * top))] for steps in filled)
        for below in range(rows - 1, -1, -1)
    ]


def load_colour(ratio: float | None) -> str:
    """The colour of a load."""
    share = ratio or 0.0
    return next((colour for limit, colour in _COLOURS if share < limit), _COLOURS[-1][1])


def heat_style(ratio: float | None) -> str:
    """Text on the background of a load, as a Rich style."""
    if ratio is None:
        return f"dim on {_UNKNOWN_HEAT}"
    step = min(len(_HEAT) - 1, int(max(0.0, ratio) * len(_HEAT)))
    return f"{'#FFFFFF' if step < _DARK_HEAT_STEPS else '#000000'} on {_HEAT[step]}"


def heat_colour(ratio: float) -> str:
    """The background that :func:`heat_style` gives a load."""
    return _HEAT[min(len(_HEAT) - 1, int(max(0.0, ratio) * len(_HEAT)))]
