"""Tables of plain text, safe for a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def printable(text: str) -> str:
    """Names come from a file that anybody may have made: what would drive the terminal is shown escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def columns(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of left-aligned columns under their heads."""
    table = [heads, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def flops_text(flops: int) -> str:
    """A count of floating-point operations to three digits: ``7.72 G``."""
    value = float(flops)
    for unit in ("", " k", " M", " G"):
        if value < 999.5:
            return f"{value:.3g}{unit}"
        value /= 1000
    return f"{value:.4g} T"


def size_text(size_bytes: int) -> str:
    """A size to three digits or whole bytes: ``48.7 MiB``."""
    value = float(size_bytes)
    if value < 1024:
        return f"{size_bytes} B"
    for unit in ("KiB", "MiB"):
        value /= 1024
        if value < 999.5:
            return f"{value:.3g} {unit}"
    return f"{value / 1024:.4g} GiB"
