"""A table that sorts by a click or a key and draws only what is on show."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.text import Text

from neuron_top.formatting import shorten
from neuron_top.glyphs import UNICODE, Glyphs
from neuron_top.model.table import Line
from neuron_top.widgets.lines import Lines

_GAP = 1


class Head(NamedTuple):
    """A column's title, its width in cells, and whether it is right aligned."""

    title: str
    width: int
    right: bool


class Table(Lines):
    """Rows of cells under titles; the last column takes what is left of the width."""

    header_rows = 1

    def __init__(self, heads: Sequence[Head], nothing: str, *, follows_top: bool = False, id: str) -> None:
        """``nothing`` is shown where there are no rows; ``follows_top``: a cursor on the first row stays the first."""
        super().__init__(id=id)
        self._heads = tuple(heads)
        self._nothing = nothing
        self._lines: tuple[Line, ...] = ()
        self._sorted: tuple[int, bool] | None = None
        self._follows_top = follows_top
        self._key: Hashable = None
        self._glyphs = UNICODE

    def show(
        self,
        lines: Sequence[Line],
        sort: tuple[int, bool] | None = None,
        glyphs: Glyphs = UNICODE,
        heads: Sequence[Head] | None = None,
    ) -> None:
        """Draw new rows; ``sort``: the column they are sorted by, and whether largest first."""
        heads, before = self._heads if heads is None else tuple(heads), self._lines
        same = len(lines) == len(before) and (sort, glyphs, heads) == (self._sorted, self._glyphs, self._heads)
        others = [n for n, (new, old) in enumerate(zip(lines, before, strict=False)) if new is not old and new != old]
        if same and not others:
            return
        self._heads = heads
        self._lines, self._sorted, self._glyphs = tuple(lines), sort, glyphs
        if same and all(lines[number].key == before[number].key for number in others):
            # Nothing moved: only these rows are drawn again, and none that is out of sight.
            for number in others:
                self.refresh_line(number + self.header_rows)
            return
        keys = [line.key for line in self._lines]
        # Until the user moves it, the cursor is on the first row: the worst one, in a table that is sorted by problems.
        if self.touched and self._key in keys and not (self._follows_top and self.cursor == 0):
            self.cursor = keys.index(self._key)
        self.changed()
        self.cursor_moved()

    @property
    def cursor_key(self) -> Hashable:
        """Key of the row under the cursor; ``None`` when there is none."""
        return self._lines[self.cursor].key if self._lines else None

    def line_count(self) -> int:
        """Rows, or the line that says there are none."""
        return max(1, len(self._lines))

    def least_width(self) -> int:
        """All columns with their gaps."""
        return sum(head.width + _GAP for head in self._heads)

    def _cell(self, text: str, head: Head, width: int) -> Text:
        cell = Text(shorten(text, width, self._glyphs.ellipsis))
        cell.align("right" if head.right else "left", width)
        return cell

    def _row(self, cells: Sequence[str], width: int) -> Text:
        text = Text()
        last = len(self._heads) - 1
        for number, (head, value) in enumerate(zip(self._heads, cells, strict=True)):
            wanted = head.width if number < last else max(head.width, width - text.cell_len - _GAP)
            text.append_text(self._cell(value, head, wanted)).append(" " * _GAP)
        return text

    def header(self, row: int, width: int) -> Text:
        """The titles; the one that rows are sorted by has an arrow."""
        titles = [head.title for head in self._heads]
        if self._sorted is not None:
            column, reverse = self._sorted
            titles[column] += self._glyphs.falling if reverse else self._glyphs.rising
        text = self._row(titles, width)
        text.stylize("bold underline")
        return text

    def line(self, index: int, width: int) -> Text:
        """One row."""
        if not self._lines:
            return Text(self._nothing, style="dim")
        row = self._lines[index]
        text = self._row(row.cells, width)
        text.stylize(row.style)
        for column, style in row.looks:
            text.stylize(style, *self._span_of(row, column, width))
        return text

    def _span_of(self, row: Line, column: int, width: int) -> tuple[int, int]:
        """Where a column's cell stands in the text of a row, in characters: wide ones take two cells each."""
        before = self._row(row.cells[:column] + ("",) * (len(row.cells) - column), width)
        start = 0
        cells = sum(head.width + _GAP for head in self._heads[:column])
        while start < len(before.plain) and cell_len(before.plain[:start]) < cells:
            start += 1
        return start, start + self._heads[column].width

    def cursor_moved(self) -> None:
        """The cursor stays on its row when rows come, go, and change places."""
        self._key = self.cursor_key

    def column_at(self, x: int) -> int:
        """The column that is ``x`` cells from the left."""
        edge = 0
        for number, head in enumerate(self._heads):
            edge += head.width + _GAP
            if x < edge:
                return number
        return len(self._heads) - 1
