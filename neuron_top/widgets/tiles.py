"""A field of tiles with a cursor, of which only the rows on show are ever drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from rich.text import Text
from textual.binding import Binding
from textual.message import Message

from neuron_top.widgets.lines import Lines


class TileGroup(Protocol):
    """Tiles that are drawn together."""

    @property
    def title(self) -> str:
        """What stands above them."""
        ...

    @property
    def numbers(self) -> tuple[int, ...]:
        """Which tiles."""
        ...


class Tiles(Lines):
    """As many equal tiles in a row as fit, by groups; arrows and the mouse choose one."""

    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        Binding("left", "step(-1)", "Tile to the left", show=False),
        Binding("right", "step(1)", "Tile to the right", show=False),
    ]

    class Chosen(Message):
        """Another tile was chosen."""

    def __init__(self, draw: Callable[[int, bool], Text], *, id: str) -> None:
        """``draw`` draws a tile by its number; its second argument is whether the tile is the chosen one."""
        super().__init__(id=id)
        self._draw = draw
        self._count = 0
        self._groups: tuple[TileGroup, ...] = ()
        self._rows: list[str | tuple[int, ...]] = []
        self._cells = 1
        self.chosen = 0
        self.show_cursor = False

    def show(self, groups: Sequence[TileGroup], cells: int) -> None:
        """Draw the tiles of ``groups``, each ``cells`` wide, under the group's title."""
        self._groups, self._cells = tuple(groups), cells
        self._count = sum(len(group.numbers) for group in groups)
        self.chosen = max(0, min(self.chosen, self._count - 1))
        self._lay_out()
        self.changed()

    def _lay_out(self) -> None:
        """Which tiles, or which title, stand on each line."""
        self._rows = []
        for group in self._groups:
            self._rows.append(group.title)
            numbers, each = group.numbers, self.in_a_row
            self._rows += [numbers[start : start + each] for start in range(0, len(numbers), each)]

    def on_resize(self) -> None:
        """Another number of tiles fits."""
        self._lay_out()
        super().on_resize()

    def _order(self) -> list[int]:
        """The tiles in the order in which they are drawn."""
        return [number for row in self._rows if not isinstance(row, str) for number in row]

    def _row_of(self, number: int) -> int:
        return next((i for i, row in enumerate(self._rows) if not isinstance(row, str) and number in row), 0)

    @property
    def in_a_row(self) -> int:
        """How many tiles fit."""
        return max(1, self.full_width // self._cells)

    def line_count(self) -> int:
        """Rows of tiles and titles."""
        return len(self._rows)

    def line(self, index: int, width: int) -> Text:
        """One row."""
        row = self._rows[index]
        if isinstance(row, str):
            return Text(f" {row}", "bold dim")
        text = Text()
        for number in row:
            text.append_text(self._draw(number, number == self.chosen))
        return text

    def choose(self, number: int) -> None:
        """Choose a tile and bring it into view."""
        self.chosen = max(0, min(self._count - 1, number))
        self.move_to(self._row_of(self.chosen))
        self.post_message(self.Chosen())

    def picked(self, index: int, x: int) -> None:
        """A click chooses."""
        row = self._rows[index]
        if not isinstance(row, str) and row:
            self.choose(row[min(x // self._cells, len(row) - 1)])

    def action_step(self, count: int) -> None:
        """Choose a tile beside this one."""
        order = self._order()
        if order:
            place = order.index(self.chosen) + count if self.chosen in order else 0
            self.choose(order[max(0, min(len(order) - 1, place))])

    def action_move(self, step: int) -> None:
        """Choose a tile some rows away, in the same place of its row."""
        at = self._row_of(self.chosen)
        row = self._rows[at] if self._rows else ""
        if isinstance(row, str):
            return
        column = row.index(self.chosen)
        rows = [r for r in self._rows if not isinstance(r, str)]
        if abs(step) >= self._count:
            self.choose(rows[0][0] if step < 0 else rows[-1][-1])
            return
        wanted = rows[max(0, min(len(rows) - 1, rows.index(row) + step))]
        self.choose(wanted[min(column, len(wanted) - 1)])

    def action_move_page(self, step: int) -> None:
        """Choose a tile a screen away."""
        self.action_move(step * max(1, self.scrollable_content_region.height - 1))
