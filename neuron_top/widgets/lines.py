"""A scrolling list of lines with a cursor; only visible lines are drawn."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from neuron_top.widgets.kept import Kept
from neuron_top.widgets.strips import line_strip


class Lines(ScrollView, Kept, can_focus=True):
    """Lines that a subclass draws one by one; ``header_rows`` of them stay at the top."""

    DEFAULT_CSS = """
    Lines { height: 1fr; width: 1fr; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1; }
    """
    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        Binding("up", "move(-1)", "Line up", show=False),
        Binding("down", "move(1)", "Line down", show=False),
        Binding("pageup", "move_page(-1)", "Page up", show=False),
        Binding("pagedown", "move_page(1)", "Page down", show=False),
        Binding("home", "move(-1000000)", "First line", show=False),
        Binding("end", "move(1000000)", "Last line", show=False),
        Binding("y", "copy_row", "Copy row", tooltip="Copy the row to the clipboard"),
    ]
    header_rows = 0

    class Copied(Message):
        """The row under the cursor is to be copied."""

        def __init__(self, text: str) -> None:
            """Carry the row as text."""
            super().__init__()
            self.text = text

    class Moved(Message):
        """The cursor is on another line."""

    def __init__(self, *, id: str | None = None) -> None:
        """Nothing to show yet."""
        super().__init__(id=id)
        self.cursor = 0
        self.show_cursor = True
        self.touched = False
        """Whether the user has moved the cursor."""
        self._extent = (-1, -1)

    def line_count(self) -> int:
        """How many lines there are, without the header."""
        raise NotImplementedError

    def least_width(self) -> int:
        """Cells that a line needs at least; in a narrower place the lines scroll sideways."""
        return 0

    @property
    def full_width(self) -> int:
        """Cells that lines are drawn for."""
        return max(self.least_width(), self.scrollable_content_region.width)

    def line(self, index: int, width: int) -> Text:
        """One line."""
        raise NotImplementedError

    def header(self, row: int, width: int) -> Text:
        """One line of the header."""
        raise NotImplementedError

    def changed(self) -> None:
        """Draw again: lines, their number or their width are others now."""
        count = self.line_count()
        self.cursor = max(0, min(self.cursor, count - 1))
        # Lines that fit have no width of their own, or a scroll bar at the right would ask for one at the bottom.
        extent = (self.least_width(), count + self.header_rows)
        if extent != self._extent:
            self._extent = extent
            self.virtual_size = Size(*extent)
        self.refresh()

    def on_resize(self) -> None:
        """Lines may fill the new width."""
        self.changed()

    def render_line(self, y: int) -> Strip:
        """One row of the screen."""
        x_offset, y_offset = self.scroll_offset
        visible, full = self.scrollable_content_region.width, self.full_width
        style = self.visual_style.rich_style
        if y < self.header_rows:
            text = self.header(y, full)
        else:
            index = y + y_offset - self.header_rows
            if not 0 <= index < self.line_count():
                return Strip.blank(visible, style)
            text = self.line(index, full)
            if index == self.cursor and self.show_cursor and self.has_focus:
                # Colours of single cells would leave holes in the bar.
                text = Text(text.plain, Style(reverse=True))
        return line_strip(text, full, style, self.app.console).crop(x_offset, x_offset + visible)

    def _line_at(self, y: int) -> int | None:
        """The line that is drawn in a row of the screen."""
        index = y + self.scroll_offset.y - self.header_rows
        return index if y >= self.header_rows and 0 <= index < self.line_count() else None

    def move_to(self, index: int) -> None:
        """Put the cursor on a line and bring it into view."""
        self.touched = True
        self.cursor = max(0, min(self.line_count() - 1, index))
        top, page = self.scroll_offset.y, max(1, self.scrollable_content_region.height - self.header_rows)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + page:
            self.scroll_to(y=self.cursor - page + 1, animate=False)
        self.cursor_moved()
        self.post_message(self.Moved())
        self.refresh()

    def cursor_moved(self) -> None:
        """Called when the cursor moved; a subclass stores its place."""

    def picked(self, index: int, x: int) -> None:
        """A line was clicked, ``x`` cells from its start."""

    def header_picked(self, row: int, x: int) -> None:
        """The header was clicked."""

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse is."""
        place = event.get_content_offset(self)
        if place is None:
            return
        if place.y < self.header_rows:
            self.header_picked(place.y, place.x + self.scroll_offset.x)
            return
        index = self._line_at(place.y)
        if index is not None:
            self.move_to(index)
            self.picked(index, place.x + self.scroll_offset.x)

    def action_move(self, step: int) -> None:
        """Move the cursor by lines."""
        self.move_to(self.cursor + step)

    def action_move_page(self, step: int) -> None:
        """Move the cursor by screens."""
        self.move_to(self.cursor + step * max(1, self.scrollable_content_region.height - self.header_rows - 1))

    def action_copy_row(self) -> None:
        """Offer the row under the cursor for the clipboard."""
        if 0 <= self.cursor < self.line_count():
            self.post_message(self.Copied(self.line(self.cursor, self.full_width).plain.strip()))
