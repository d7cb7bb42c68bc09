"""Lines of text as strips of the screen, without the wrapping and aligning that Textual does for whole texts."""

from __future__ import annotations

from functools import lru_cache

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip


@lru_cache(maxsize=2048)
def _over(base: Style, look: str | Style) -> Style:
    """``look`` over ``base``."""
    return base + (Style.parse(look) if isinstance(look, str) else look)


def line_strip(text: Text, width: int, style: Style, console: Console) -> Strip:
    """One line over ``style``, padded or cut to ``width`` cells."""
    segments, cells = _segments(text, style, console), text.cell_len
    if cells > width:
        return Strip(segments, cells).adjust_cell_length(width, style)
    if cells < width:
        segments.append(Segment(" " * (width - cells), style))
    return Strip(segments, width)


def _segments(text: Text, style: Style, console: Console) -> list[Segment]:
    plain, at = text.plain, 0
    base = _over(style, text.style)
    segments = []
    for start, end, look in text.spans:
        if start < at:
            # Spans that lie over each other: Rich puts them together.
            text.end = ""
            return list(Segment.apply_style(text.render(console), style))
        if start > at:
            segments.append(Segment(plain[at:start], base))
        if end > start:
            segments.append(Segment(plain[start:end], _over(base, look)))
        at = end
    if at < len(plain):
        segments.append(Segment(plain[at:], base))
    return segments
