"""Lines of text made by a function, drawn anew only when they change."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text
from textual.widget import Widget


class Section(Widget):
    """Lines made by a function of the width; as high as there are lines."""

    # Places to click on are not underlined like links of a page.
    auto_links = False
    DEFAULT_CSS = "Section { height: auto; width: 1fr; }"

    def __init__(self, make: Callable[[int], list[Text]], *, id: str) -> None:
        """Draw what ``make`` returns for the widget's width."""
        super().__init__(id=id)
        self._make = make
        self._shown: list[Text] = []

    def update(self) -> None:
        """Draw again if anything changed."""
        lines = self._make(max(1, self.size.width or self.app.size.width))
        if lines != self._shown:
            layout = len(lines) != len(self._shown)
            self._shown = lines
            self.refresh(layout=layout)

    def on_resize(self) -> None:
        """The width changed: every line does."""
        self.update()

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many rows as there are lines."""
        return max(1, len(self._shown))

    def render(self) -> Text:
        """The lines, joined."""
        return Text("\n", no_wrap=True).join(self._shown)


class Canvas(Widget):
    """Lines made by a function of width and height, which fill the place they are given."""

    DEFAULT_CSS = "Canvas { height: 1fr; width: 1fr; }"
    can_focus = True

    def __init__(self, make: Callable[[int, int], list[Text]], *, id: str) -> None:
        """Draw what ``make`` returns for the widget's size."""
        super().__init__(id=id)
        self._make = make
        self._shown: list[Text] = []

    def update(self) -> None:
        """Draw again if anything changed."""
        if not self.size:
            return
        lines = self._make(self.size.width, self.size.height)
        if lines != self._shown:
            self._shown = lines
            self.refresh()

    def on_resize(self) -> None:
        """Every line changed."""
        self.update()

    def render(self) -> Text:
        """The lines, joined."""
        return Text("\n", no_wrap=True).join(self._shown)
