"""A part of the overview that draws lines of text, anew only when they change."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text
from textual.widget import Widget


class Section(Widget):
    """Lines made by a function of the width."""

    DEFAULT_CSS = """
    Section { height: auto; width: 1fr; }
    """

    def __init__(self, make: Callable[[int], list[Text]], *, id: str) -> None:
        """Draw what ``make`` returns for the widget's width."""
        super().__init__(id=id)
        self._make = make
        self._shown: list[Text] = []
        self._height = 0

    def update(self) -> None:
        """Draw again if anything changed."""
        lines = self._make(max(1, self.size.width or self.app.size.width))
        if lines == self._shown and not self._height_changed(lines):
            return
        layout = self._height_changed(lines)
        self._shown, self._height = lines, len(lines)
        self.refresh(layout=layout)

    def _height_changed(self, lines: list[Text]) -> bool:
        return len(lines) != self._height

    def on_resize(self) -> None:
        """The width changed: every line does."""
        self.update()

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many rows as there are lines."""
        return max(1, self._height)

    def render(self) -> Text:
        """The lines, joined."""
        return Text("\n").join(self._shown)
