"""Lines of text made by a function, of which only those that changed are drawn anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text
from textual.geometry import Region
from textual.strip import Strip

from neuron_top.widgets.kept import Kept
from neuron_top.widgets.strips import line_strip


class _Drawn(Kept):
    """Lines that are drawn one by one."""

    # Places to click on are not underlined like links of a page.
    auto_links = False

    def __init__(self, *, id: str) -> None:
        """Nothing to show yet."""
        super().__init__(id=id)
        self._shown: Sequence[Text] = ()

    def _show(self, lines: Sequence[Text]) -> None:
        """Draw the lines that are not as they were."""
        before, self._shown = self._shown, lines
        if len(lines) != len(before):
            # If a layout is already due, Textual would take the height that it computed for an earlier number of lines.
            self._layout_updates += 1
            self.refresh(layout=True)
            return
        width = self.outer_size.width
        changed = [Region(0, y, width, 1) for y, line in enumerate(lines) if line != before[y]]
        if changed:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        """One row of the screen."""
        width, style = self.outer_size.width, self.visual_style.rich_style
        return (
            line_strip(self._shown[y], width, style, self.app.console)
            if y < len(self._shown)
            else Strip.blank(width, style)
        )


class Section(_Drawn):
    """Lines made by a function of the width; as high as there are lines."""

    DEFAULT_CSS = "Section { height: auto; width: 1fr; }"

    def __init__(self, make: Callable[[int], Sequence[Text]], *, id: str) -> None:
        """Draw what ``make`` returns for the widget's width."""
        super().__init__(id=id)
        self._make = make

    def update(self) -> None:
        """Draw what changed."""
        self._show(self._make(max(1, self.outer_size.width or self.app.size.width)))

    def on_resize(self) -> None:
        """The width changed: every line does."""
        self.update()

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many rows as there are lines."""
        return max(1, len(self._shown))


class Canvas(_Drawn):
    """Lines made by a function of width and height, which fill the place they are given."""

    DEFAULT_CSS = "Canvas { height: 1fr; width: 1fr; }"
    can_focus = True

    def __init__(self, make: Callable[[int, int], Sequence[Text]], *, id: str) -> None:
        """Draw what ``make`` returns for the widget's size."""
        super().__init__(id=id)
        self._make = make

    def update(self) -> None:
        """Draw what changed."""
        if self.size:
            self._show(self._make(self.size.width, self.size.height))

    def on_resize(self) -> None:
        """Every line changed."""
        self.update()
