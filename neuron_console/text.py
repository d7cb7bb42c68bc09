"""Text for a terminal: sanitized text and tables."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def colour_wanted() -> bool:
    """Whether standard output is a terminal that shows colours, and the user wants them."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def printable(text: str) -> str:
    """Replace every control character by ``?``, so that names of files and processes cannot control a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def ascii_only(text: str) -> str:
    """Replace every character outside ASCII by ``?``, for a terminal without UTF-8."""
    return printable(text).encode("ascii", "replace").decode()


def cell_width(text: str) -> int:
    """Return the width on a terminal: two columns for East Asian wide characters, none for combining characters."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def padded(text: str, width: int) -> str:
    """Fill the text with spaces to ``width`` terminal columns."""
    return text + " " * (width - cell_width(text))


def _cells(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> tuple[list[list[str]], list[int]]:
    cells = [[printable(str(value)) for value in row] for row in (headings, *rows)]
    return cells, [max(map(cell_width, column)) for column in zip(*cells, strict=True)]


def columns(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return lines of left-aligned columns, two spaces apart, the headings first."""
    cells, widths = _cells(headings, rows)
    return ["  ".join(map(padded, row, widths)).rstrip() for row in cells]


def framed(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a table in an ASCII frame; a table without rows ends after its headings."""
    cells, widths = _cells(headings, rows)
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    lines = ["| " + " | ".join(map(padded, row, widths)) + " |" for row in cells]
    return [rule, lines[0], rule, *lines[1:], *([rule] if rows else [])]
