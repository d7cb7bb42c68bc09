"""The keys of a fleet: order, groups, filter, and the way to a single node."""

from __future__ import annotations

from collections.abc import Iterable

from textual import events
from textual.app import SystemCommand
from textual.binding import Binding
from textual.message import Message
from textual.widgets import Input

from neuron_top.model.fleet import COLUMNS
from neuron_top.model.fleet_order import next_grouping
from neuron_top.screens.fleet_list import FleetList
from neuron_top.widgets.lines import Lines
from neuron_top.widgets.sortable import SortableTable


class FleetScreen(FleetList):
    """The nodes of a fleet, with the keys that go through them."""

    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        Binding("q", "app.quit", "Quit"),
        Binding("question_mark", "help", "Help"),
        Binding("enter", "open", "Open node", tooltip="Show the node in the views of one node; Esc comes back"),
        Binding("c", "heat", "Cores/table", tooltip="Switch between the table and the heat map of all cores"),
        Binding("s", "sort(1)", "Sort", tooltip="Sort by the next column"),
        Binding("S", "sort(-1)", "Sort back", show=False, tooltip="Sort by the previous column"),
        Binding("r", "reverse", "Reverse", tooltip="Turn the order around"),
        Binding("slash", "filter", "Filter", tooltip="Narrow the nodes to some words"),
        Binding("g", "group", "Group", tooltip="One row for each zone or instance type; Enter shows its nodes"),
        Binding("w", "worst", "Worst first", show=False, tooltip="Keep the ten worst nodes on top, or not"),
        Binding("h", "past(False)", "History", tooltip="The node's last hours, with --prometheus"),
        Binding("H", "past(True)", "Fleet history", show=False, tooltip="The same of all nodes together"),
        Binding("escape", "leave_group", "Leave group", show=False, tooltip="Back to the groups"),
        Binding("space", "pause", "Pause", tooltip="Hold the screen still, or go on"),
        Binding("ctrl+s", "app.save_picture", "Screenshot", show=False, tooltip="Save the screen as SVG here"),
    ]

    class Opened(Message):
        """A node is to be shown by itself."""

        def __init__(self, number: int) -> None:
            """Carry its place in the fleet."""
            super().__init__()
            self.number = number

    def action_heat(self) -> None:
        """Switch between the table and the heat map; the chosen node stays chosen."""
        place = self._tiles.chosen if self._heat else self._table.cursor
        self._heat = not self._heat
        self._arrange()
        if self._heat:
            self._tiles.choose(place)
        else:
            self._table.move_to(place)

    def action_open(self) -> None:
        """Show the chosen node by itself."""
        row = self._at_cursor()
        if row is None:
            return
        if self._shows_groups:
            self._inside = row.endpoint
            self._draw()
        else:
            self.post_message(self.Opened(self._places[row.endpoint]))

    def action_group(self) -> None:
        """Group by the zone, by the instance type, or not at all, in turn."""
        self._group, self._inside = next_grouping(self._group), None
        self._draw()

    def action_leave_group(self) -> None:
        """Back to the groups."""
        if self._inside is not None:
            self._inside = None
            self._draw()

    def action_worst(self) -> None:
        """Keep the worst nodes on top, or no longer do so."""
        self._worst_first = not self._worst_first
        self._draw()
        self.notify("the ten worst nodes stay on top" if self._worst_first else "all nodes are in the order chosen")

    def action_past(self, whole: bool) -> None:
        """Show the last hours of the chosen node, or of all."""
        row = self._at_cursor()
        if self._prometheus is None:
            self.notify("history comes from a Prometheus: start neuron-top with --prometheus URL", severity="warning")
        elif whole or (row is not None and not self._shows_groups):
            from neuron_top.screens.past import PastScreen

            endpoint = None if whole or row is None else self._fleet.endpoints[self._places[row.endpoint]]
            self.app.push_screen(PastScreen(self._prometheus, endpoint, self._glyphs))

    def commands(self) -> Iterable[SystemCommand]:
        """Return the commands for the command palette."""
        yield SystemCommand("Table or heat map of all cores", "key c", self.action_heat)
        yield SystemCommand("Open the chosen node", "key Enter", self.action_open)
        yield SystemCommand("Group by zone or instance type", "key g", self.action_group)
        yield SystemCommand("Ten worst nodes on top, or not", "key w", self.action_worst)
        yield SystemCommand("Pause or go on", "key space", self.action_pause)

    def action_help(self) -> None:
        """Show every key."""
        from neuron_top.screens.help import HelpScreen, help_text
        from neuron_top.views.base import declared_bindings_of

        notes = "A tile is a node, a half cell one of its NeuronCores: the even ones above the odd ones."
        inside = declared_bindings_of(self._main())
        self.app.push_screen(HelpScreen(help_text([("Fleet", notes, [*self._own_bindings(), *inside])])))

    def action_sort(self, step: int) -> None:
        """Sort by the next or previous column."""
        column = (self._sort[0] + step) % len(COLUMNS)
        self._sort_by(column, COLUMNS[column].numeric)

    def action_reverse(self) -> None:
        """Reverse the order."""
        self._sort_by(self._sort[0], not self._sort[1])

    def _sort_by(self, column: int, reverse: bool) -> None:
        self._sort = (column, reverse)
        self._draw()

    def on_sortable_table_title_picked(self, message: SortableTable.TitlePicked) -> None:
        """Sort by the column; a second click reverses the order."""
        same = message.column == self._sort[0]
        self._sort_by(message.column, not self._sort[1] if same else COLUMNS[message.column].numeric)

    def on_tiles_chosen(self) -> None:
        """Show the name of the chosen node."""
        self._chosen.update()

    def on_lines_moved(self) -> None:
        """Show the name of the chosen node."""
        self._chosen.update()

    def on_lines_copied(self, message: Lines.Copied) -> None:
        """Put a row on the clipboard."""
        self.app.copy_to_clipboard(message.text)
        self.notify("copied the row")

    def on_click(self, event: events.Click) -> None:
        """A double click opens a node."""
        if event.chain == 2 and event.widget is self._main():
            self.action_open()

    def action_pause(self) -> None:
        """Pause or resume the screen."""
        self._paused = not self._paused
        self.refresh_rows()
        self._keys.update()

    def action_filter(self) -> None:
        """Open the filter line."""
        self._filter.open()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Apply the filter while it is typed."""
        self._needle = message.value
        self._draw()

    def on_filter_line_done(self) -> None:
        """Return the focus to the nodes."""
        self._main().focus()
        self._draw()
