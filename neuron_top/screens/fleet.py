"""Many nodes: a table of them, or a heat map of all their cores; Enter opens one."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.text import Text
from textual import events
from textual.app import ComposeResult, SystemCommand
from textual.binding import Binding
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input

from neuron_top.draw.cores import legend
from neuron_top.draw.fleet import chosen_line, grade_style, tile, tile_cells, totals_text
from neuron_top.formatting import shorten, shorten_node
from neuron_top.glyphs import Glyphs
from neuron_top.model.fleet import (
    COLUMNS,
    CORES_COLUMN,
    NODE_COLUMN,
    STATE_COLUMN,
    NodeRow,
    grouped,
    named,
    state_text,
    totals,
)
from neuron_top.model.fleet_order import group_rows, grouping_named, groups_of, next_grouping, ordered
from neuron_top.model.table import Line, matches, sort_rows
from neuron_top.remote.fleet import Fleet
from neuron_top.settings import Settings
from neuron_top.title import title_text
from neuron_top.widgets.filter_line import FilterLine
from neuron_top.widgets.key_line import key_line
from neuron_top.widgets.lines import Lines
from neuron_top.widgets.section import Section
from neuron_top.widgets.sortable import SortableTable
from neuron_top.widgets.table import Head
from neuron_top.widgets.tiles import Tiles

if TYPE_CHECKING:
    from neuron_top.remote.prometheus import Prometheus

_REDRAW_SECONDS = 0.5
_MOST_STATE_CELLS = 70
_GROUP_CORES_CELLS = 11
"""``12800/25600``: the cores of many nodes."""

_LEGEND = ("share of time busy", "half a cell per core", "x: no answer")


class FleetScreen(Screen[None]):
    """The nodes of a fleet."""

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

    def __init__(self, fleet: Fleet, settings: Settings, glyphs: Glyphs, prometheus: Prometheus | None = None) -> None:
        """Show ``fleet``; ``prometheus`` has its history."""
        super().__init__()
        self._prometheus = prometheus
        self._group = settings.fleet_group
        self._inside: str | None = None
        self._worst_first = settings.fleet_worst_first
        self._fleet = fleet
        self._glyphs = glyphs
        self._places = {str(endpoint): number for number, endpoint in enumerate(fleet.endpoints)}
        self._rows: tuple[NodeRow, ...] = fleet.rows()
        self._shown: list[NodeRow] = []
        self._tiled: list[NodeRow] = []
        self._cells = 1
        self._drawn: dict[str, tuple[NodeRow, int, Text]] = {}
        self._totals = totals(self._rows)
        self._lines: dict[str, tuple[NodeRow, Line]] = {}
        self._sort = (settings.fleet_sort_column % len(COLUMNS), settings.fleet_sort_reverse)
        self._heat = settings.fleet_heat
        self._paused = False
        self._needle = ""
        self._title = Section(self._title_lines, id="title")
        heads = [Head(c.title, c.width, c.numeric) for c in COLUMNS]
        self._table = SortableTable(heads, "no node that the filter names", id="node-table")
        self._tiles = Tiles(self._tile, id="tiles")
        self._legend = Section(lambda width: [legend(width, glyphs, _LEGEND, colour=self._colour)], id="fleet-legend")
        self._chosen = Section(self._chosen_lines, id="tabs")
        self._filter = FilterLine()
        self._keys = Section(self._key_lines, id="keys")

    def compose(self) -> ComposeResult:
        """Title, table or tiles, the chosen node, keys."""
        yield from (self._title, self._table, self._tiles, self._legend, self._filter, self._chosen, self._keys)

    def on_mount(self) -> None:
        """Begin to ask."""
        self._fleet.start()
        self.set_interval(_REDRAW_SECONDS, self.refresh_rows)
        self._arrange()

    def on_unmount(self) -> None:
        """Ask no more."""
        self._fleet.stop()

    @property
    def _colour(self) -> bool:
        return not self.app.no_color and self._glyphs.shades.isascii() is False

    def refresh_rows(self) -> None:
        """Show what is known now; nothing moves while it is paused or behind another screen."""
        if not self._paused and self.is_current:
            self._rows = self._fleet.rows()
            self._totals = totals(self._rows)
            self._draw()

    def on_screen_resume(self) -> None:
        """Back from a node."""
        self._draw()

    def _draw(self) -> None:
        found = [r for r in self._rows if matches(self._needle, *named(r))]
        column, reverse = self._sort
        grouping = grouping_named(self._group)
        if grouping is not None and self._inside is not None:
            found = [row for row in found if grouping.of(row) == self._inside]
        if self._shows_groups and grouping is not None:
            self._shown = sort_rows(group_rows(found, grouping), COLUMNS[column], reverse=reverse)
        else:
            self._shown = ordered(found, column, reverse=reverse, worst_first=self._worst_first)
        if self._heat:
            # What a tile shows: those that the table has now may be others before the tiles are gone.
            self._tiled = self._shown
            groups = grouped(self._shown) if grouping is None else groups_of(self._shown, grouping)
            self._cells = tile_cells(self._shown, colour=self._colour)
            self._tiles.show(groups, self._cells)
        else:
            now = time.monotonic()
            lines = [self._line(row, now) for row in self._shown]
            self._table.show(lines, self._sort, self._glyphs, self._heads())
        for section in (self._title, self._legend, self._chosen, self._keys):
            section.update()

    @property
    def _shows_groups(self) -> bool:
        """Whether a row is a group: the heat map always shows nodes."""
        return bool(self._group) and self._inside is None and not self._heat

    def _heads(self) -> list[Head]:
        """The columns; what is left of the width goes to the state."""
        heads = [Head(c.title, c.width, c.numeric) for c in COLUMNS]
        if self._shows_groups:
            heads[CORES_COLUMN] = heads[CORES_COLUMN]._replace(width=_GROUP_CORES_CELLS)
        free = self.app.size.width - sum(head.width + 1 for head in heads) - 1
        state = heads[STATE_COLUMN]
        heads[STATE_COLUMN] = state._replace(width=state.width + max(0, min(free, _MOST_STATE_CELLS)), right=False)
        return heads

    def _line(self, row: NodeRow, now: float) -> Line:
        """A row as the table shows it; made once while it stays, for hundreds are there and few change at a time."""
        known = self._lines.get(row.endpoint)
        if known is not None and known[0] is row and not row.problem:
            return known[1]
        line = self._new_line(row, now)
        self._lines[row.endpoint] = row, line
        return line

    def _new_line(self, row: NodeRow, now: float) -> Line:
        cells = [c.text(row) for c in COLUMNS]
        cells[NODE_COLUMN] = shorten_node(row.endpoint, COLUMNS[NODE_COLUMN].width, self._glyphs.ellipsis)
        cells[STATE_COLUMN] = state_text(row, now)
        style = grade_style(row, colour=self._colour)
        return Line(row.endpoint, tuple(cells), "", ((0, style), (STATE_COLUMN, style)) if style else ())

    def _tile(self, number: int, chosen: bool) -> Text:
        row = self._tiled[number]
        known = None if chosen else self._drawn.get(row.endpoint)
        if known is not None and known[0] is row and known[1] == self._cells:
            return known[2]
        text = tile(row, self._cells, self._glyphs, colour=self._colour, chosen=chosen)
        if not chosen:
            self._drawn[row.endpoint] = row, self._cells, text
        return text

    def _title_lines(self, width: int) -> list[Text]:
        text = Text(f"{title_text(None)}  {totals_text(self._totals)}", no_wrap=True)
        text.truncate(width)
        return [text]

    def _at_cursor(self) -> NodeRow | None:
        place = self._tiles.chosen if self._heat else self._table.cursor
        return self._shown[place] if 0 <= place < len(self._shown) else None

    def _chosen_lines(self, width: int) -> list[Text]:
        row = self._at_cursor()
        return [chosen_line(row, state_text(row, time.monotonic()) if row else "", width, self._glyphs)]

    def _key_lines(self, width: int) -> list[Text]:
        badges = (
            "PAUSED" if self._paused else "",
            f"{self._group}: {shorten(self._inside, 20)}" if self._inside is not None else "",
            f"by {self._group}" if self._group and self._inside is None else "",
            f"filter: {shorten(self._needle, 20)}" if self._needle else "",
        )
        badge = next(filter(None, badges), "")
        return [key_line(tuple(b for b in self._own_bindings() if b.show), width, badge)]

    def _own_bindings(self) -> list[Binding]:
        return [b for b in self.BINDINGS if isinstance(b, Binding)]

    def _main(self) -> Lines:
        return self._tiles if self._heat else self._table

    def _arrange(self) -> None:
        self._table.display, self._tiles.display = not self._heat, self._heat
        self._legend.display = self._heat
        self._main().focus()
        self._draw()

    # Keys and the mouse

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
        """Group by the next thing: the zone, the instance type, nothing."""
        self._group, self._inside = next_grouping(self._group), None
        self._draw()

    def action_leave_group(self) -> None:
        """Back to the groups."""
        if self._inside is not None:
            self._inside = None
            self._draw()

    def action_worst(self) -> None:
        """Put the worst nodes on top, or leave them where the order has them."""
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
        """What the command palette offers here."""
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
        """Turn the order around."""
        self._sort_by(self._sort[0], not self._sort[1])

    def _sort_by(self, column: int, reverse: bool) -> None:
        self._sort = (column, reverse)
        self._draw()

    def on_sortable_table_title_picked(self, message: SortableTable.TitlePicked) -> None:
        """Sort by the column; by the same one again: the other way round."""
        same = message.column == self._sort[0]
        self._sort_by(message.column, not self._sort[1] if same else COLUMNS[message.column].numeric)

    def on_tiles_chosen(self) -> None:
        """Tell who it is."""
        self._chosen.update()

    def on_lines_moved(self) -> None:
        """Tell who it is."""
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
        """Hold the screen still, or go on."""
        self._paused = not self._paused
        self.refresh_rows()
        self._keys.update()

    def action_filter(self) -> None:
        """Let a filter be typed."""
        self._filter.open()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Narrow the nodes while it is typed."""
        self._needle = message.value
        self._draw()

    def on_filter_line_done(self) -> None:
        """Give the keys back."""
        self._main().focus()
        self._draw()

    def remember(self, settings: Settings) -> Settings:
        """The settings with what this screen adds to them."""
        column, reverse = self._sort
        return settings._replace(
            fleet_sort_column=column,
            fleet_sort_reverse=reverse,
            fleet_heat=self._heat,
            fleet_group=self._group,
            fleet_worst_first=self._worst_first,
        )
