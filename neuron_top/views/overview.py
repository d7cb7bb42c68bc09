"""The overview: cores, vCPUs, memory, and the tree of what uses it."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widget import Widget

from neuron_top.draw import overview as draw
from neuron_top.glyphs import UNICODE, Glyphs
from neuron_top.model.history import HISTORY_SECONDS
from neuron_top.model.overview import View as Overview
from neuron_top.model.overview import make_view
from neuron_top.shown import Shown
from neuron_top.views.base import View
from neuron_top.widgets.memory_tree import MemoryTree
from neuron_top.widgets.section import Section

_MIN_TREE_ROWS = 4
_MIN_CORE_ROWS = 3
_FIXED_ROWS = 10
"""Headings, vCPU and memory figures: what always stands around cores and tree."""


class OverviewView(View):
    """The four sections; cores and tree share the height that the others leave."""

    NOTES = "Tab moves between the cores and the tree; arrows move in the tree and open it."
    BINDINGS = [Binding("x", "tree", "Expand all")]  # noqa: RUF012 - Textual reads the class attribute
    DEFAULT_CSS = """
    OverviewView #cores-frame { height: auto; scrollbar-size-vertical: 1; }
    """

    def __init__(self) -> None:
        """Nothing to show yet."""
        super().__init__(id="overview")
        self._shown: Shown | None = None
        self._view: Overview | None = None
        self._cores = Section(self._core_lines, id="overview-cores")
        self._frame = VerticalScroll(self._cores, id="cores-frame")
        self._tree = MemoryTree(id="tree")
        self._sections = (
            Section(lambda w: [self._heading("NeuronCore v1 Utilization", w)], id="cores-heading"),
            Section(self._vcpu_lines, id="vcpu"),
            Section(self._memory_lines, id="memory"),
            Section(lambda w: [self._heading("Memory Usage Details", w)], id="tree-heading"),
        )

    def compose(self) -> ComposeResult:
        """The sections, from the top."""
        cores, vcpu, memory, tree = self._sections
        yield from (cores, self._frame, vcpu, memory, tree, self._tree)

    def main_widget(self) -> Widget:
        """The tree."""
        return self._tree

    def show(self, shown: Shown) -> None:
        """Draw what changed."""
        self._shown = shown
        self._view = make_view(shown.moment.snapshot, shown.moment.rates, shown.selected)
        self._share_height(len(self._view.rows))
        for section in (*self._sections, self._cores):
            section.update()
        self._tree.show(self._view.tree, shown.glyphs)

    def _share_height(self, device_count: int) -> None:
        room = self.app.size.height - 3 - _FIXED_ROWS - _MIN_TREE_ROWS
        wanted = max(_MIN_CORE_ROWS, min(device_count, room))
        frame = self._frame
        if frame.styles.max_height is None or frame.styles.max_height.value != wanted:
            frame.styles.max_height = wanted

    def _glyphs(self) -> Glyphs:
        return self._shown.glyphs if self._shown is not None else UNICODE

    def _heading(self, text: str, width: int) -> Text:
        return draw.heading(text, width, self._glyphs())

    def _core_lines(self, width: int) -> list[Text]:
        if self._view is None or self._shown is None:
            return []
        shown = self._shown
        cells = draw.sparkline_cells(width, max((len(row.cores) for row in self._view.rows), default=1))
        time_ns = shown.moment.snapshot.time_ns
        recent = shown.history.core_series(time_ns, HISTORY_SECONDS, cells) if cells else None
        return draw.core_lines(self._view.rows, width, flops=shown.flops, glyphs=shown.glyphs, recent=recent)

    def _vcpu_lines(self, width: int) -> list[Text]:
        if self._view is None:
            return []
        lines = draw.vcpu_lines(self._view.vcpu, width, glyphs=self._glyphs())
        return [self._heading("VCPU Utilization", width), *lines]

    def _memory_lines(self, width: int) -> list[Text]:
        if self._view is None:
            return []
        return [self._heading("Memory Usage Summary", width), *draw.memory_lines(self._view.memory, width)]

    def action_tree(self) -> None:
        """Open or close the whole tree, wherever the focus is."""
        self._tree.action_toggle_all()
