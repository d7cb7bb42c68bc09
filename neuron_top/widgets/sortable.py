"""A table that tells when a title is clicked."""

from __future__ import annotations

from textual.message import Message

from neuron_top.widgets.table import Table


class SortableTable(Table):
    """The table; a click on a title asks to sort by it."""

    class TitlePicked(Message):
        """A column's title was clicked."""

        def __init__(self, column: int) -> None:
            """Carry its number."""
            super().__init__()
            self.column = column

    def header_picked(self, row: int, x: int) -> None:
        """Ask to sort."""
        self.post_message(self.TitlePicked(self.column_at(x)))
