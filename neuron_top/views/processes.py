"""The table of Neuron processes, and signals to them."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.widget import Widget

from neuron_console.palette import CALM, FAULT_STYLE, WARNING, WARNING_STYLE
from neuron_top.bars import bar, sparkline
from neuron_top.glyphs import Glyphs
from neuron_top.model.moment import RuntimeKey
from neuron_top.model.processes import (
    COLUMNS,
    NUMBERS,
    Process,
    failing_columns,
    make_processes,
    shown_columns,
    worst_first,
)
from neuron_top.model.table import Line, sort_rows
from neuron_top.settings import Settings
from neuron_top.shown import Shown
from neuron_top.views.base import View
from neuron_top.widgets.sortable import SortableTable
from neuron_top.widgets.table import Head
from runtime_core.telemetry import Severity
from runtime_core.telemetry.health import Place

WORST = -1
"""Sorted by what is wrong and no column."""

Trend = Callable[[RuntimeKey], list[float | None]]


def _head(number: int, *, wide: bool) -> Head:
    column = COLUMNS[number]
    # Where there is room, the load has a bar before its number.
    width = column.width + _BAR_CELLS if wide and number == NUMBERS["UTIL"] else column.width
    return Head(column.title, width, column.numeric)


_TREND = Head("P99 TREND", 16, False)
_BAR_CELLS = 8
_TREND_FROM_COLUMNS = 150
_STYLES = {Severity.CRITICAL: FAULT_STYLE, Severity.WARNING: WARNING_STYLE}


class ProcessesView(View):
    """The processes of all tabs; Enter opens the history of one."""

    NOTES = (
        "Processes of all tabs, the worst problem first. A click on a title sorts by that column, a second "
        "click reverses the order. Columns with the same value in all rows are hidden."
    )
    FILTERS = True
    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        Binding("enter", "open", "Its history", tooltip="Show the history of the process"),
        Binding("L", "sort_to('P99')", "By p99", tooltip="Sort by P99"),
        Binding("s", "sort(1)", "Sort", tooltip="Sort by the next column"),
        Binding("S", "sort(-1)", "Sort back", show=False, tooltip="Sort by the previous column"),
        Binding("r", "reverse", "Reverse", tooltip="Reverse the order"),
        Binding("k", "signal", "Signal", tooltip="Send SIGTERM or SIGKILL, after confirmation"),
        Binding("W", "worst", "Worst first", show=False, tooltip="Sort by problems, then errors, then p99"),
        *(
            Binding(c.sort_key, f"sort_to('{c.title}')", f"By {c.title}", show=False, tooltip=f"Sort by {c.title}")
            for c in COLUMNS
            if c.sort_key and c.title != "P99"
        ),
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

    def __init__(self, sort: tuple[int, bool] = (WORST, False)) -> None:
        """``sort``: column (:data:`WORST`: none), and whether largest first."""
        super().__init__(id="processes")
        column, reverse = sort
        self.sort = (column if WORST <= column < len(COLUMNS) else WORST, reverse)
        self._columns: tuple[int, ...] = tuple(range(len(COLUMNS)))
        self._shown: Shown | None = None
        self._processes: dict[RuntimeKey, Process] = {}
        heads = [Head(c.title, c.width, c.numeric) for c in COLUMNS]
        self._table = SortableTable(heads, "no matching Neuron process", id="process-table")

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
        found = list(worst_first(make_processes(shown.moment, shown.needle)))
        if column != WORST:
            found = sort_rows(found, COLUMNS[column], reverse=reverse)
        elif reverse:
            found.reverse()
        self._processes = {p.key: p for p in found}
        self._columns = shown_columns(tuple(found))
        wide = self.app.size.width >= _TREND_FROM_COLUMNS
        time_ns = shown.moment.snapshot.time_ns
        trend = shown.history.trends("p99_ns", time_ns, _TREND.width) if wide else None
        heads = [_head(number, wide=wide) for number in self._columns]
        if wide:
            heads.insert(-1, _TREND)
        lines = [self._line(p, trend, shown.glyphs) for p in found]
        arrow = (self._columns.index(column), reverse) if column in self._columns else None
        if arrow is not None and wide and arrow[0] == len(self._columns) - 1:
            arrow = arrow[0] + 1, reverse
        self._table.show(lines, arrow, shown.glyphs, heads)

    def _line(self, process: Process, trend: Trend | None, glyphs: Glyphs) -> Line:
        cells = [COLUMNS[number].text(process) for number in self._columns]
        failing = failing_columns(process)
        looks = [(place, FAULT_STYLE) for place, number in enumerate(self._columns) if number in failing]
        if trend is not None:
            util = self._columns.index(NUMBERS["UTIL"])
            cells[util] = bar(process.utilization, _BAR_CELLS, glyphs) + cells[util]
            values = trend(process.key)
            top = max((v for v in values if v is not None), default=0.0)
            cells.insert(-1, sparkline(values, top, glyphs))
            looks += [(util, CALM), (len(cells) - 2, CALM)]
        style = _STYLES.get(process.grade, "") if process.grade is not None else ""
        looks.append((self._columns.index(NUMBERS["TAG"]), style))
        return Line(process.key, tuple(cells), WARNING if process.problem else "", tuple(looks))

    def look_at(self, place: Place) -> None:
        """Put the cursor on a process."""
        number = next((n for n, p in enumerate(self._processes.values()) if p.pid == place.pid), None)
        if number is not None:
            self._table.move_to(number)

    def remember(self, settings: Settings) -> Settings:
        """The order."""
        return settings._replace(sort_column=self.sort[0], sort_reverse=self.sort[1])

    def _sort_by(self, column: int, reverse: bool) -> None:
        self.sort = (column, reverse)
        if self._shown is not None:
            self.show(self._shown)
            self._table.move_to(0)

    def _at_cursor(self) -> Process | None:
        key = self._table.cursor_key
        return next((p for k, p in self._processes.items() if k == key), None)

    def on_sortable_table_title_picked(self, message: SortableTable.TitlePicked) -> None:
        """Sort by the column; a second click reverses the order."""
        column, reverse = self.sort
        wide = self.app.size.width >= _TREND_FROM_COLUMNS
        places = [*self._columns[:-1], NUMBERS["P99"], self._columns[-1]] if wide else list(self._columns)
        chosen = places[message.column]
        self._sort_by(chosen, not reverse if chosen == column else COLUMNS[chosen].numeric)

    def on_click(self, event: events.Click) -> None:
        """A double click does what Enter does."""
        if event.chain == 2:
            self.action_open()

    def action_sort(self, step: int) -> None:
        """Sort by the next or previous column."""
        places = list(self._columns)
        before = places.index(self.sort[0]) if self.sort[0] in places else (-1 if step > 0 else 0)
        column = places[(before + step) % len(places)]
        self._sort_by(column, COLUMNS[column].numeric)

    def action_sort_to(self, title: str) -> None:
        """Sort by a column; a second time reverses the order."""
        column, reverse = NUMBERS[title], COLUMNS[NUMBERS[title]].numeric
        self._sort_by(column, not self.sort[1] if self.sort[0] == column else reverse)

    def action_worst(self) -> None:
        """Sort by problems: the worst process first."""
        self._sort_by(WORST, False)

    def action_reverse(self) -> None:
        """Reverse the order."""
        self._sort_by(self.sort[0], not self.sort[1])

    def action_open(self) -> None:
        """Show the history of the process under the cursor."""
        process = self._at_cursor()
        if process is not None:
            self.post_message(self.Opened(process.key))

    def action_signal(self) -> None:
        """Ask which signal to send to the process under the cursor."""
        process = self._at_cursor()
        if process is not None:
            self.post_message(self.SignalWanted(process))
