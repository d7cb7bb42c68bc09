"""The overview: cores, applications, vCPUs, memory, and the tree of what uses it."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widget import Widget

from neuron_top.draw import overview as draw
from neuron_top.draw.applications import application_heading, application_line, trend_cells
from neuron_top.glyphs import UNICODE, Glyphs
from neuron_top.model.history import HISTORY_SECONDS
from neuron_top.model.overview import View as Overview
from neuron_top.model.overview import make_view
from neuron_top.model.processes import make_applications
from neuron_top.shown import Shown
from neuron_top.views.base import View
from neuron_top.widgets.kept import Box, Column, Scroll
from neuron_top.widgets.memory_tree import MemoryTree
from neuron_top.widgets.section import Section

_MIN_TREE_ROWS = 2
_MIN_CORE_ROWS = 3
_MIN_APPLICATIONS = 2
_FIXED_ROWS = 10
"""Headings, vCPU and memory figures: what always stands around cores, applications and tree."""

_AROUND_ROWS = 5
"""Title, health, tabs, keys, and the line between the last two."""

BESIDE_FROM_COLUMNS = 160
"""From here on the applications stand beside the memory."""


class OverviewView(View):
    """Is it serving? Cores, applications and the memory tree share the height that the others leave."""

    NOTES = (
        "Applications with problems come first; a click opens their history. "
        "Tab switches between the cores and the tree; arrow keys move in the tree and open its rows."
    )
    BINDINGS = [Binding("x", "tree", "Expand all")]  # noqa: RUF012 - Textual reads the class attribute
    DEFAULT_CSS = """
    OverviewView #cores-frame { height: auto; scrollbar-size-vertical: 1; }
    OverviewView #lower { height: 1fr; width: 1fr; layout: vertical; }
    OverviewView #applications { height: auto; width: 1fr; }
    OverviewView #memory-side { height: 1fr; width: 1fr; }
    OverviewView.wide #lower { layout: horizontal; }
    OverviewView.wide #applications { height: 1fr; margin-right: 2; }
    """

    def __init__(self) -> None:
        """Nothing to show yet."""
        super().__init__(id="overview")
        self._shown: Shown | None = None
        self._view: Overview | None = None
        self._most_applications = _MIN_APPLICATIONS
        self._core_rows = _MIN_CORE_ROWS
        self._cores = Section(self._core_lines, id="overview-cores")
        self._frame = Scroll(self._cores, id="cores-frame")
        self._tree = MemoryTree(id="tree")
        self._applications = Section(self._application_lines, id="applications")
        self._sections = (
            Section(lambda w: [self._heading(self._core_title(), w)], id="cores-heading"),
            Section(self._vcpu_lines, id="vcpu"),
            Section(self._memory_lines, id="memory"),
            Section(lambda w: [self._heading("Memory Usage Details", w)], id="tree-heading"),
        )

    def compose(self) -> ComposeResult:
        """The sections, from the top."""
        cores, vcpu, memory, tree = self._sections
        yield from (cores, self._frame)
        with Box(id="lower"):
            yield self._applications
            with Column(id="memory-side"):
                yield from (vcpu, memory, tree, self._tree)

    def main_widget(self) -> Widget:
        """The tree."""
        return self._tree

    def show(self, shown: Shown) -> None:
        """Draw what changed."""
        self._shown = shown
        moment = shown.moment
        self._view = make_view(moment.snapshot, moment.rates, shown.selected, moment.faults, moment.lost)
        self.set_class(self.app.size.width >= BESIDE_FROM_COLUMNS, "wide")
        self._share_height(len(self._view.rows))
        for section in (*self._sections, self._cores, self._applications):
            section.update()
        self._tree.show(self._view.tree, shown.glyphs)

    def _share_height(self, device_count: int) -> None:
        """Cores first, then applications; the tree takes what is left."""
        beside = self.app.size.width >= BESIDE_FROM_COLUMNS
        room = self.app.size.height - _AROUND_ROWS - _FIXED_ROWS - _MIN_TREE_ROWS
        least = 0 if beside else _MIN_APPLICATIONS + 1
        # With eight cores a device their names take a line.
        wanted = max(_MIN_CORE_ROWS, min(device_count + 1, room - least))
        count = len(self._shown.moment.snapshot.runtimes) if self._shown is not None else 0
        free = room - min(wanted, device_count + 1) - 1
        self._most_applications = count if beside else max(_MIN_APPLICATIONS, min(count, free * 2 // 3))
        self._core_rows = wanted
        frame = self._frame
        if frame.styles.max_height is None or frame.styles.max_height.value != wanted:
            frame.styles.max_height = wanted

    def _glyphs(self) -> Glyphs:
        return self._shown.glyphs if self._shown is not None else UNICODE

    def _heading(self, text: str, width: int) -> Text:
        return draw.heading(text, width, self._glyphs())

    def _core_title(self) -> str:
        if self._view is None or self._shown is None:
            return ""
        return draw.core_title(self._view, flops=self._shown.flops)

    def _core_lines(self, width: int) -> list[Text]:
        if self._view is None or self._shown is None:
            return []
        shown = self._shown
        cells = draw.sparkline_cells(width, max((len(row.cores) for row in self._view.rows), default=1))
        time_ns = shown.moment.snapshot.time_ns
        recent = shown.history.core_series(time_ns, HISTORY_SECONDS, cells) if cells else None
        rows = self._view.rows
        if len(rows) > self._core_rows:
            # What is broken must not hide below the edge.
            rows = tuple(sorted(rows, key=lambda row: not (row.lost or any(cell.hung for cell in row.cores))))
        return draw.core_lines(rows, width, flops=shown.flops, glyphs=shown.glyphs, recent=recent)

    def _application_lines(self, width: int) -> list[Text]:
        shown = self._shown
        if shown is None:
            return []
        every = make_applications(shown.moment)
        apps = every[: self._most_applications]
        left = len(every) - len(apps)
        title = "Applications, worst first" + (f" ({left} more: p)" if left else "")
        lines = [self._heading(title, width)]
        if not apps:
            return [*lines, Text(" no Neuron process", "dim")]
        lines.append(application_heading(width))
        cells = trend_cells(width)
        time_ns = shown.moment.snapshot.time_ns
        trend = shown.history.trends("executions_per_second", time_ns, cells) if cells else lambda _key: []
        return lines + [application_line(app, trend(app.key), width, shown.glyphs) for app in apps]

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
