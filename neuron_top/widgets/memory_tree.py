"""A tree with memory figures: arrow keys and the mouse move through it and open its rows."""

from __future__ import annotations

from rich.text import Text
from textual.binding import Binding

from neuron_top.draw.tree import tree_heading, tree_line
from neuron_top.glyphs import UNICODE, Glyphs
from neuron_top.model.overview import TreeRow, visible_rows
from neuron_top.widgets.lines import Lines


class MemoryTree(Lines):
    """Rows of devices, cores, models (or of processes and models); what is open stays open over new figures."""

    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        Binding("x", "toggle_all", "Expand all"),
        Binding("right", "open(True)", "Open", show=False),
        Binding("left", "open(False)", "Close", show=False),
        Binding("enter", "toggle_row", "Open or close", show=False),
    ]
    DEFAULT_CSS = "MemoryTree { min-height: 3; }"
    header_rows = 1

    def __init__(
        self,
        first_column: str = "Model ID",
        nothing: str = "no model is loaded",
        *,
        first_open: bool = False,
        id: str,
    ) -> None:
        """``nothing`` is shown where there are no rows; ``first_open``: the first level begins open."""
        super().__init__(id=id)
        self._first_column = first_column
        self._nothing = nothing
        self._first_open = first_open
        self._rows: tuple[TreeRow, ...] = ()
        self._visible: list[tuple[int, TreeRow]] = []
        self._opened: set[str] = set()
        self._shut: set[str] = set()
        self._open_all = False
        self._glyphs = UNICODE
        self._key: str | None = None

    def is_open(self, key: str) -> bool:
        """Return whether a row is open. Rows are closed until the user opens them."""
        if key in self._opened:
            return True
        if key in self._shut:
            return False
        return self._open_all or (self._first_open and "/" not in key)

    @property
    def keys(self) -> list[str]:
        """Keys of the rows that are not inside closed ones."""
        return [row.key for _, row in self._visible]

    @property
    def cursor_key(self) -> str | None:
        """The row under the cursor."""
        return self._key

    def show(self, rows: tuple[TreeRow, ...], glyphs: Glyphs) -> None:
        """Draw new figures."""
        if rows != self._rows or glyphs != self._glyphs:
            self._rows, self._glyphs = rows, glyphs
            self._unfold()

    def _unfold(self) -> None:
        """Find the rows on show, and the cursor's among them."""
        self._visible = visible_rows(self._rows, self.is_open)
        keys = self.keys
        if self._key in keys:
            self.cursor = keys.index(self._key)
        self.changed()
        self.cursor_moved()

    def line_count(self) -> int:
        """Rows on show, or the line that says there are none."""
        return max(1, len(self._visible))

    def line(self, index: int, width: int) -> Text:
        """One row."""
        if not self._visible:
            return Text(self._nothing, style="dim")
        depth, row = self._visible[index]
        return tree_line(depth, row, width, opened=self.is_open(row.key), glyphs=self._glyphs)

    def header(self, row: int, width: int) -> Text:
        """The columns' names."""
        return tree_heading(width, self._first_column)

    def cursor_moved(self) -> None:
        """The cursor stays on its row when rows come and go."""
        self._key = self._visible[self.cursor][1].key if self._visible else None

    def picked(self, index: int, x: int) -> None:
        """A click opens or closes a row."""
        self.action_toggle_row()

    def action_open(self, wanted: bool) -> None:
        """Open or close the row under the cursor; closing one that has nothing to close goes to its parent."""
        if not self._visible:
            return
        depth, row = self._visible[self.cursor]
        if not wanted and not (row.children and self.is_open(row.key)):
            parents = [i for i in range(self.cursor) if self._visible[i][0] == depth - 1]
            if parents:
                self.move_to(parents[-1])
            return
        (self._opened if wanted else self._shut).add(row.key)
        (self._shut if wanted else self._opened).discard(row.key)
        self._unfold()

    def action_toggle_row(self) -> None:
        """Open the row under the cursor if it is closed, else close it."""
        if self._visible:
            row = self._visible[self.cursor][1]
            if row.children:
                self.action_open(not self.is_open(row.key))

    def action_toggle_all(self) -> None:
        """Open the whole tree, or close it again."""
        self._open_all = not self._open_all
        self._opened.clear()
        self._shut.clear()
        self._unfold()
