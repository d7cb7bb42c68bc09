"""The line in which a filter is typed."""

from __future__ import annotations

from textual.binding import Binding
from textual.message import Message
from textual.widgets import Input


class FilterLine(Input):
    """Hidden until it is opened; Enter keeps the filter, Esc drops it."""

    BINDINGS = [Binding("escape", "drop", "Clear the filter", show=False)]  # noqa: RUF012 - Textual reads the class attribute
    DEFAULT_CSS = "FilterLine { display: none; height: 1; border: none; padding: 0 1; dock: bottom; }"

    class Done(Message):
        """Typing has ended."""

    def __init__(self) -> None:
        """Empty and hidden."""
        super().__init__(placeholder="filter: words, Enter keeps, Esc drops", compact=True, id="filter")

    def open(self) -> None:
        """Show it and take the keys."""
        self.display = True
        self.focus()

    def close(self) -> None:
        """Hide it."""
        self.display = False
        self.post_message(self.Done())

    def on_input_submitted(self) -> None:
        """Keep what was typed."""
        self.close()

    def action_drop(self) -> None:
        """Forget what was typed."""
        self.value = ""
        self.close()
