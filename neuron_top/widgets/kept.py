"""Widgets that keep the lines they have drawn, and containers without content of their own.

A refresh draws every widget in the rectangle around all changes. For each of them, changed or not, Textual computes
the colors and filters every line. That takes more time than the lines that did change.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.color import Color
from textual.containers import Container, Vertical, VerticalScroll
from textual.filter import LineFilter
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget


class Kept(Widget):
    """Draws a line again only if it changed. For widgets without border, padding, opacity and links to hover over."""

    _strips: dict[int, Strip] | None = None
    """The lines that are drawn, with filters applied, by their row; ``None``: the colors may have changed too."""

    _drawn_size = Size()
    _background = Color(0, 0, 0)
    _filters: Sequence[LineFilter] = ()

    def _set_dirty(self, *regions: Region) -> None:
        """Forget what changed: some regions of the widget, or all of it."""
        super()._set_dirty(*regions)
        if not regions:
            self._strips = None
        elif self._strips is not None:
            for region in regions:
                for y in region.line_range:
                    self._strips.pop(y, None)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines in ``crop``."""
        size = self.outer_size  # Without border and padding, that is the size of the content.
        strips = self._strips
        if strips is None or size != self._drawn_size:
            self._strips = strips = {}
            self._drawn_size = size
            self._background = self.background_colors[1]
            self._filters = self.get_line_filters()
        for y in crop.line_range:
            if y not in strips:
                strip = self.render_line(y)
                for line_filter in self._filters:
                    strip = strip.apply_filter(line_filter, self._background)
                strips[y] = strip
        found = [strips[y] for y in crop.line_range]
        left, right = crop.column_span
        return found if (left, right) == (0, size.width) else [strip.crop(left, right) for strip in found]


class Box(Container):
    """A container of which only the background shows."""

    BLANK = True


class Column(Vertical):
    """The same, from top to bottom."""

    BLANK = True


class Scroll(VerticalScroll):
    """The same, with a scroll bar."""

    BLANK = True
