"""A field of tiles with a cursor, of which only the rows on show are ever drawn."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text
from textual.binding import Binding
from textual.message import Message

from neuron_top.widgets.lines import Lines


class Tiles(Lines):
    """As many equal tiles in a row as fit; arrows and the mouse choose one."""

    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        Binding("left", "step(-1)", "Tile to the left", show=False),
        Binding("right", "step(1)", "Tile to the right", show=False),
    ]

    class Chosen(Message):
        """Another tile was chosen."""

    def __init__(self, draw: Callable[[int, bool], Text], *, id: str) -> None:
        """``draw`` makes a tile by its number; the second argument tells whether it is the chosen one."""
        super().__init__(id=id)
        self._draw = draw
        self._count = 0
        self._cells = 1
        self.chosen = 0
        self.show_cursor = False

    def show(self, count: int, cells: int) -> None:
        """Draw ``count`` tiles, each ``cells`` wide."""
        self._count, self._cells = count, cells
        self.chosen = max(0, min(self.chosen, count - 1))
        self.changed()

    @property
    def in_a_row(self) -> int:
        """How many tiles fit."""
        return max(1, self.full_width // self._cells)

    def line_count(self) -> int:
        """Rows of tiles."""
        return -(-self._count // self.in_a_row)

    def line(self, index: int, width: int) -> Text:
        """One row."""
        first = index * self.in_a_row
        text = Text()
        for number in range(first, min(self._count, first + self.in_a_row)):
            text.append_text(self._draw(number, number == self.chosen))
        return text

    def choose(self, number: int) -> None:
        """Choose a tile and bring it into view."""
        self.chosen = max(0, min(self._count - 1, number))
        self.move_to(self.chosen // self.in_a_row)
        self.post_message(self.Chosen())

    def picked(self, index: int, x: int) -> None:
        """A click chooses."""
        self.choose(index * self.in_a_row + min(x // self._cells, self.in_a_row - 1))

    def action_step(self, count: int) -> None:
        """Choose a tile beside this one."""
        self.choose(self.chosen + count)

    def action_move(self, step: int) -> None:
        """Choose a tile some rows away."""
        self.choose(self.chosen + max(-self._count, min(self._count, step * self.in_a_row)))

    def action_move_page(self, step: int) -> None:
        """Choose a tile a screen away."""
        self.action_move(step * max(1, self.scrollable_content_region.height - 1))
