"""The memory details: a tree that arrows move through and open."""

from __future__ import annotations

from rich.text import Text
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widget import Widget

from neuron_top.sections import tree_lines
from neuron_top.view import TreeRow, visible_rows


class TreeBody(Widget):
    """The rows."""

    DEFAULT_CSS = "TreeBody { height: auto; width: 1fr; }"

    def __init__(self) -> None:
        """An empty tree, devices and cores open."""
        super().__init__()
        self.tree_rows: tuple[TreeRow, ...] = ()
        self.opened: set[str] = set()
        self.closed: set[str] = set()
        self.open_all = False
        self.cursor: str | None = None

    def is_open(self, key: str) -> bool:
        """Devices and cores are open until somebody closes them; models are closed until somebody opens them."""
        if key in self.opened:
            return True
        if key in self.closed:
            return False
        return self.open_all or key.count("/") < 1

    def keys(self) -> list[str]:
        """Keys of the rows on show."""
        return [row.key for _, row in visible_rows(self.tree_rows, self.is_open)]

    def render(self) -> Text:
        """The rows as text."""
        return Text("\n").join(tree_lines(self.tree_rows, max(1, self.size.width), self.is_open, self.cursor))

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """A line a row."""
        return max(1, len(self.keys()))


class MemoryTree(VerticalScroll):
    """The tree in a scrolling frame."""

    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("right,enter", "open(True)", "Open", show=False),
        Binding("left", "open(False)", "Close", show=False),
    ]
    DEFAULT_CSS = "MemoryTree { height: 1fr; min-height: 3; }"

    def __init__(self) -> None:
        """An empty tree."""
        super().__init__(id="tree")
        self.body = TreeBody()

    def compose(self) -> list[TreeBody]:
        """The rows."""
        return [self.body]

    def show(self, rows: tuple[TreeRow, ...]) -> None:
        """Draw new figures; what is open stays open."""
        if rows != self.body.tree_rows:
            height = len(self.body.keys())
            self.body.tree_rows = rows
            self.body.refresh(layout=len(self.body.keys()) != height)

    def action_move(self, step: int) -> None:
        """Move the cursor by rows."""
        keys = self.body.keys()
        if not keys:
            return
        at = keys.index(self.body.cursor) + step if self.body.cursor in keys else 0
        at = max(0, min(len(keys) - 1, at))
        self.body.cursor = keys[at]
        self.body.refresh()
        self.scroll_to(y=max(0, at - self.size.height // 2), animate=False)

    def action_open(self, wanted: bool) -> None:
        """Open or close the row under the cursor."""
        key = self.body.cursor
        if key is None:
            return
        (self.body.opened if wanted else self.body.closed).add(key)
        (self.body.closed if wanted else self.body.opened).discard(key)
        self.body.refresh(layout=True)

    def toggle_all(self) -> None:
        """Open the whole tree, or close it down to its cores."""
        self.body.open_all = not self.body.open_all
        self.body.opened.clear()
        self.body.closed.clear()
        self.body.refresh(layout=True)
