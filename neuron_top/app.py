"""The application: composes the sections, hands frames to them, answers keys."""

from __future__ import annotations

import locale
import sys

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import Footer, Static

from neuron_top import sections
from neuron_top.collector import Collector, Frame
from neuron_top.view import View, make_view
from neuron_top.widgets.memory_tree import MemoryTree
from neuron_top.widgets.section import Section
from runtime_core import __version__
from runtime_core.telemetry import Source

MIN_COLUMNS, MIN_ROWS = 60, 15


def unicode_terminal() -> bool:
    """Whether bars may use block characters."""
    return "utf" in (sys.stdout.encoding or locale.getpreferredencoding(False)).lower()


def title_text(frame: Frame) -> str:
    """Tool version, instance id and type."""
    if frame.snapshot is None:
        return f"neuron-top {__version__}"
    instance = frame.snapshot.instance
    return f"neuron-top {__version__}  {instance.instance_id}  {instance.instance_type}"


class NeuronTop(App[None]):
    """neuron-top's screen."""

    CSS = """
    #title { height: 1; width: 1fr; background: $primary-background; text-style: bold; }
    #problem { height: auto; width: 1fr; color: $warning; display: none; padding: 1 2; }
    #cores-frame { height: auto; max-height: 50%; }
    #tabs { height: 1; dock: bottom; margin-bottom: 1; }
    .heading { height: 1; }
    """
    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        Binding("q", "quit", "Quit"),
        Binding("f", "flops", "% / FLOPS"),
        Binding("x", "tree", "Expand all"),
        Binding("a", "tab_by(-1)", "Previous tab"),
        Binding("d", "tab_by(1)", "Next tab"),
        Binding("space", "pause", "Pause"),
        *(Binding(str(n), f"tab({n - 1})", f"Tab {n}", show=False) for n in range(1, 10)),
    ]
    ENABLE_COMMAND_PALETTE = True
    TITLE = "neuron-top"

    def __init__(self, source: Source, interval_seconds: float = 1.0) -> None:
        """Watch ``source`` every ``interval_seconds``."""
        super().__init__()
        self._unicode = unicode_terminal()
        self._frame = Frame(None, None, "looking for a Neuron node")
        self._view: View | None = None
        self._key: tuple[int, int] | None = None
        self._flops = False
        self._paused = False
        self._collector = Collector(source, interval_seconds, self._delivered)

    def compose(self) -> ComposeResult:
        """The sections, from the top."""
        yield Static(id="title")
        yield Static(id="problem")
        yield Section(lambda w: [sections.heading("NeuronCore v1 Utilization", w)], id="cores-heading")
        with VerticalScroll(id="cores-frame"):
            yield Section(self._core_lines, id="cores")
        yield Section(lambda w: [sections.heading("VCPU Utilization", w)], id="vcpu-heading")
        yield Section(self._vcpu_lines, id="vcpu")
        yield Section(lambda w: [sections.heading("Memory Usage Summary", w)], id="memory-heading")
        yield Section(self._memory_lines, id="memory")
        yield Section(
            lambda w: [sections.heading("Memory Usage Details", w), sections.tree_heading(w)], id="tree-heading"
        )
        yield MemoryTree()
        yield Section(self._tab_lines, id="tabs")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look at the node."""
        self.query_one(MemoryTree).focus()
        self._collector.start()
        self._draw()

    def on_unmount(self) -> None:
        """End the collector's thread."""
        self._collector.stop()

    def on_resize(self) -> None:
        """A screen too small for the sections says so."""
        self._draw()

    def _delivered(self, frame: Frame) -> None:
        """Called on the collector's thread."""
        if self.is_running:
            self.call_from_thread(self.show, frame)

    def show(self, frame: Frame) -> None:
        """Show a frame, unless the screen is paused."""
        if not self._paused:
            self._frame = frame
            self._draw()

    def _selected(self) -> int:
        """The selected runtime's tab now; tab 0 when it has ended."""
        snapshot = self._frame.snapshot
        if snapshot is None or self._key is None:
            return 0
        keys = [r.key for r in snapshot.runtimes]
        return keys.index(self._key) + 1 if self._key in keys else 0

    def _problem(self) -> str:
        if self.size.width < MIN_COLUMNS or self.size.height < MIN_ROWS:
            return f"the terminal is too small: {self.size.width}x{self.size.height}, at least {MIN_COLUMNS}x{MIN_ROWS}"
        return self._frame.problem

    def _draw(self) -> None:
        frame = self._frame
        self._view = None if frame.snapshot is None else make_view(frame.snapshot, frame.rates, self._selected())
        problem = self._problem()
        self.query_one("#title", Static).update(title_text(frame) + ("   PAUSED" if self._paused else ""))
        notice = self.query_one("#problem", Static)
        notice.update(Text(f"{problem}\nlooking again every interval; q quits" if problem else ""))
        notice.display = bool(problem)
        for widget in (*self.query(Section), self.query_one(MemoryTree), self.query_one("#cores-frame")):
            widget.display = not problem
        if self._view is not None and not problem:
            for section in self.query(Section):
                section.update()
            self.query_one(MemoryTree).show(self._view.tree)

    def _core_lines(self, width: int) -> list[Text]:
        rows = self._view.rows if self._view is not None else ()
        return sections.core_lines(rows, width, flops=self._flops, unicode=self._unicode)

    def _vcpu_lines(self, width: int) -> list[Text]:
        return sections.vcpu_lines(self._view, width, unicode=self._unicode) if self._view is not None else []

    def _memory_lines(self, width: int) -> list[Text]:
        return sections.memory_lines(self._view, width) if self._view is not None else []

    def _tab_lines(self, width: int) -> list[Text]:
        return [sections.tab_line(self._view, width)] if self._view is not None else []

    def action_flops(self) -> None:
        """Switch between percent and FLOPS."""
        self._flops = not self._flops
        self._draw()

    def action_tree(self) -> None:
        """Open or close the whole memory tree."""
        self.query_one(MemoryTree).toggle_all()

    def action_pause(self) -> None:
        """Hold the screen still, or go on."""
        self._paused = not self._paused
        self._draw()

    def action_tab(self, index: int) -> None:
        """Go to a tab."""
        snapshot = self._frame.snapshot
        if snapshot is not None and 0 <= index <= len(snapshot.runtimes):
            self._key = snapshot.runtimes[index - 1].key if index else None
            self._draw()

    def action_tab_by(self, step: int) -> None:
        """Go to the previous or next tab, around the ends."""
        count = len(self._frame.snapshot.runtimes) + 1 if self._frame.snapshot is not None else 1
        self.action_tab((self._selected() + step) % count)
