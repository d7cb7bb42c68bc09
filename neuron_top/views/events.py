"""What happened since neuron-top was started."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.widget import Widget

from neuron_console.palette import FAULT_STYLE, WARNING
from neuron_top.model.events import Event, Severity
from neuron_top.model.table import Line, matches
from neuron_top.shown import Shown
from neuron_top.views.base import View
from neuron_top.widgets.table import Head, Table
from runtime_core.telemetry.health import RUNBOOKS, Place

_HEADS = (
    Head("TIME", 17, False), Head("TIMES", 6, True), Head("LEVEL", 7, False), Head("WHERE", 19, False),
    Head("WHAT", 38, False), Head("RUNBOOK", 26, False),
)  # fmt: skip
_STYLES = {Severity.INFO: "", Severity.WARNING: WARNING, Severity.ERROR: FAULT_STYLE}


class EventsView(View):
    """What was started, ended, failed, and went wrong; the newest first."""

    NOTES = (
        "Newest first. Events that repeat within a minute are one line with a count and a time span. "
        f"RUNBOOK names the section of {RUNBOOKS} that says what to do."
    )
    FILTERS = True
    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        Binding("enter", "open", "Go there", tooltip="Show where the event happened"),
    ]

    class Opened(Message):
        """The place of an event is to be shown."""

        def __init__(self, place: Place) -> None:
            """Carry the place."""
            super().__init__()
            self.place = place

    def __init__(self) -> None:
        """Nothing to show yet."""
        super().__init__(id="events")
        self._events: dict[object, Event] = {}
        nothing = "nothing happened (or nothing that the filter matches)"
        self._table = Table(_HEADS, nothing, follows_top=True, id="event-table")

    def compose(self) -> ComposeResult:
        """One table."""
        yield self._table

    def main_widget(self) -> Widget:
        """The table."""
        return self._table

    def show(self, shown: Shown) -> None:
        """Draw what changed."""
        lines = []
        self._events = {}
        for event in reversed(shown.events):
            times = f"x{event.times}" if event.times > 1 else ""
            cells = (event.span, times, event.severity.value, event.where, event.words, event.runbook)
            if matches(shown.needle, *cells):
                key = (event.wall_time_ns, event.where, event.text)
                self._events[key] = event
                style = _STYLES[event.severity]
                lines.append(Line(key, cells, "", ((2, style), (3, style), (4, style)) if style else ()))
        self._table.show(lines, None, shown.glyphs)

    def on_click(self, event: events.Click) -> None:
        """A double click does what Enter does."""
        if event.chain == 2:
            self.action_open()

    def action_open(self) -> None:
        """Show where the event under the cursor happened."""
        event = self._events.get(self._table.cursor_key)
        if event is None or event.place is None:
            self.notify("this event does not belong to a core, device, link or process")
            return
        self.post_message(self.Opened(event.place))
