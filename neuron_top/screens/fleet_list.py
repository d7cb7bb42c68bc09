"""Many nodes as a table, or as a heat map of all their cores."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen

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
from neuron_top.model.fleet_order import group_rows, grouping_named, groups_of, ordered
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


class FleetList(Screen[None]):
    """Watches the nodes of a fleet, and draws them in the order and the groups that are chosen."""

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
        """Start the queries."""
        self._fleet.start()
        self.set_interval(_REDRAW_SECONDS, self.refresh_rows)
        self._arrange()

    def on_unmount(self) -> None:
        """Stop the queries."""
        self._fleet.stop()

    @property
    def _colour(self) -> bool:
        return not self.app.no_color and self._glyphs.shades.isascii() is False

    def refresh_rows(self) -> None:
        """Show the current rows, unless the screen is paused or covered by another one."""
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
        """Return a row of the table. Rows that did not change are kept: of hundreds, few change at a time."""
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
