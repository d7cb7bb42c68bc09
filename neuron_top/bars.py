"""Bars with a precision of an eighth of a cell."""

from __future__ import annotations

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_PLAIN_FULL, _PLAIN_EMPTY = "#", "."
# Okabe and Ito's palette, which the common kinds of colour blindness can tell apart; the darker the load.
_COLOURS = ((0.5, "#56B4E9"), (0.8, "#E69F00"), (1.01, "#D55E00"))


def bar(ratio: float | None, width: int, *, unicode: bool = True) -> str:
    """``ratio`` (0..1) of ``width`` cells filled; all empty where it is not available."""
    share = min(1.0, max(0.0, ratio or 0.0))
    if not unicode:
        filled = round(share * width)
        return _PLAIN_FULL * filled + _PLAIN_EMPTY * (width - filled)
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def load_colour(ratio: float | None) -> str:
    """The colour of a load."""
    share = ratio or 0.0
    return next(colour for limit, colour in _COLOURS if share < limit)
