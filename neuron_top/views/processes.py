"""The table of Neuron processes, and signals to them."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.widget import Widget

from neuron_top.model.moment import RuntimeKey
from neuron_top.model.processes import COLUMNS, Process, make_processes
from neuron_top.model.table import Line, sort_rows
from neuron_top.settings import Settings
from neuron_top.shown import Shown
from neuron_top.views.base import View
from neuron_top.widgets.sortable import SortableTable
from neuron_top.widgets.table import Head


class ProcessesView(View):
    """All processes, whatever the tab; Enter goes to the tab of one."""

    NOTES = "Shows the processes of every tab. A click on a title sorts by it, a second one turns the order around."
    FILTERS = True
    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        Binding("s", "sort(1)", "Sort", tooltip="Sort by the next column"),
        Binding("S", "sort(-1)", "Sort back", show=False, tooltip="Sort by the previous column"),
        Binding("r", "reverse", "Reverse", tooltip="Turn the order around"),
        Binding("k", "signal", "Signal", tooltip="Send SIGTERM or SIGKILL, after a question"),
        Binding("enter", "open", "Its tab", tooltip="Show the process in the overview"),
    ]

    class Opened(Message):
        """A process's tab is wanted."""

        def __init__(self, key: RuntimeKey) -> None:
            """Carry the runtime."""
            super().__init__()
            self.key = key

    class SignalWanted(Message):
        """A signal is to be sent to a process, if that is confirmed."""

        def __init__(self, process: Process) -> None:
            """Carry the process."""
            super().__init__()
            self.process = process

    def __init__(self, sort: tuple[int, bool] = (0, False)) -> None:
        """``sort``: column, and whether largest first."""
        super().__init__(id="processes")
        column, reverse = sort
        self.sort = (column % len(COLUMNS), reverse)
        self._shown: Shown | None = None
        self._processes: dict[RuntimeKey, Process] = {}
        heads = [Head(c.title, c.width, c.numeric) for c in COLUMNS]
        self._table = SortableTable(heads, "no Neuron process (or none that the filter names)", id="process-table")

    def compose(self) -> ComposeResult:
        """One table."""
        yield self._table

    def main_widget(self) -> Widget:
        """The table."""
        return self._table

    def show(self, shown: Shown) -> None:
        """Draw what changed."""
        self._shown = shown
        column, reverse = self.sort
        found = sort_rows(make_processes(shown.moment, shown.needle), COLUMNS[column], reverse=reverse)
        self._processes = {p.key: p for p in found}
        lines = [Line(p.key, tuple(c.text(p) for c in COLUMNS), "yellow" if p.problem else "") for p in found]
        self._table.show(lines, self.sort, shown.glyphs)

    def remember(self, settings: Settings) -> Settings:
        """The order."""
        return settings._replace(sort_column=self.sort[0], sort_reverse=self.sort[1])

    def _sort_by(self, column: int, reverse: bool) -> None:
        self.sort = (column, reverse)
        if self._shown is not None:
            self.show(self._shown)

    def _at_cursor(self) -> Process | None:
        key = self._table.cursor_key
        return next((p for k, p in self._processes.items() if k == key), None)

    def on_sortable_table_title_picked(self, message: SortableTable.TitlePicked) -> None:
        """Sort by the column; by the same one again: the other way round."""
        column, reverse = self.sort
        chosen = message.column
        self._sort_by(chosen, not reverse if chosen == column else COLUMNS[chosen].numeric)

    def on_click(self, event: events.Click) -> None:
        """A double click does what Enter does."""
        if event.chain == 2:
            self.action_open()

    def action_sort(self, step: int) -> None:
        """Sort by the next or previous column."""
        column = (self.sort[0] + step) % len(COLUMNS)
        self._sort_by(column, COLUMNS[column].numeric)

    def action_reverse(self) -> None:
        """Turn the order around."""
        self._sort_by(self.sort[0], not self.sort[1])

    def action_open(self) -> None:
        """Go to the tab of the process under the cursor."""
        process = self._at_cursor()
        if process is not None:
            self.post_message(self.Opened(process.key))

    def action_signal(self) -> None:
        """Ask which signal to send to the process under the cursor."""
        process = self._at_cursor()
        if process is not None:
            self.post_message(self.SignalWanted(process))
