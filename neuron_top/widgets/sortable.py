"""A table that reports clicks on its titles."""

from __future__ import annotations

from textual.message import Message

from neuron_top.widgets.table import Table


class SortableTable(Table):
    """A table that sends a message when a title is clicked."""

    class TitlePicked(Message):
        """A column's title was clicked."""

        def __init__(self, column: int) -> None:
            """Carry its number."""
            super().__init__()
            self.column = column

    def header_picked(self, row: int, x: int) -> None:
        """Send the message."""
        self.post_message(self.TitlePicked(self.column_at(x)))
