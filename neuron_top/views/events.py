"""What happened since neuron-top was started."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widget import Widget

from neuron_top.formatting import format_clock
from neuron_top.model.events import Severity
from neuron_top.model.table import Line, matches
from neuron_top.shown import Shown
from neuron_top.views.base import View
from neuron_top.widgets.table import Head, Table

_HEADS = (Head("TIME", 8, False), Head("LEVEL", 7, False), Head("WHERE", 24, False), Head("WHAT", 30, False))
_STYLES = {Severity.INFO: "", Severity.WARNING: "#E69F00", Severity.ERROR: "bold #D55E00"}


class EventsView(View):
    """Runtimes that came and went, failed executions, ECC events; the newest first."""

    NOTES = "The newest event is at the top. The last thousand are kept."
    FILTERS = True

    def __init__(self) -> None:
        """Nothing to show yet."""
        super().__init__(id="events")
        self._table = Table(
            _HEADS, "nothing happened (or nothing that the filter names)", follows_top=True, id="event-table"
        )

    def compose(self) -> ComposeResult:
        """One table."""
        yield self._table

    def main_widget(self) -> Widget:
        """The table."""
        return self._table

    def show(self, shown: Shown) -> None:
        """Draw what changed."""
        lines = []
        for event in reversed(shown.events):
            cells = (format_clock(event.wall_time_ns), event.severity.value, event.where, event.text)
            if matches(shown.needle, *cells):
                lines.append(Line((event.wall_time_ns, event.where, event.text), cells, _STYLES[event.severity]))
        self._table.show(lines, None, shown.glyphs)
