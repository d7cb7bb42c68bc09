"""The views of one node: looks at it, keeps what it saw, and draws the view on show."""

from __future__ import annotations

import concurrent.futures
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Static

from neuron_console.units import format_span
from neuron_top.collector import Collector, Frame
from neuron_top.draw.health import health_line
from neuron_top.draw.tabs import tab_line
from neuron_top.formatting import shorten
from neuron_top.glyphs import Glyphs
from neuron_top.looks import Look
from neuron_top.session import Session
from neuron_top.settings import Settings
from neuron_top.shown import Shown
from neuron_top.title import title_text
from neuron_top.views.base import View, declared_bindings
from neuron_top.views.catalogue import VIEWS, entry_of
from neuron_top.widgets.filter_line import FilterLine
from neuron_top.widgets.kept import Box
from neuron_top.widgets.key_line import key_line
from neuron_top.widgets.section import Section
from neuron_top.widgets.title_line import title_line

if TYPE_CHECKING:
    pass

MIN_COLUMNS, MIN_ROWS = 78, 20
"""Below that figures of the overview would be cut off, or its tree would have no room."""


class WatchScreen(Screen[None]):
    """Watches a node in views, between the lines that all views share: title, health, tabs and keys."""

    BLANK = True  # Widgets cover it: only its background shows.

    def __init__(
        self,
        look: Look,
        interval_seconds: float,
        settings: Settings,
        glyphs: Glyphs,
        *,
        in_fleet: bool = False,
        read_only: bool = False,
    ) -> None:
        """Watch ``look`` every ``interval_seconds``.

        Args:
            look: the node.
            interval_seconds: between two looks.
            settings: of the last run.
            glyphs: characters that the terminal can show.
            in_fleet: Esc goes back to where the screen was opened.
            read_only: no signals.
        """
        super().__init__()
        self._read_only = read_only
        self._look = look
        self._in_fleet = in_fleet
        self._settings = settings
        self._glyphs = glyphs
        self._interval_seconds = interval_seconds
        self._flops = settings.flops
        self._needle = ""
        self._opened: dict[str, View] = {}
        self._view_name = entry_of(settings.view).name
        self.session = Session(interval_seconds)
        self._problem: int | None = None
        self._seen_events = 0
        self._title = Section(self._title_lines, id="title")
        self._health = Section(self._health_lines, id="health")
        self._notice = Static(id="problem", markup=False)
        self._views = Box(id="views")
        self._filter = FilterLine()
        self._tabs = Section(self._tab_lines, id="tabs")
        self._keys = Section(self._key_lines, id="keys")
        self._collector = Collector(look, interval_seconds, self._delivered)

    def compose(self) -> ComposeResult:
        """Title, the view, tabs and keys."""
        yield from (self._title, self._health, self._notice, self._views, self._filter, self._tabs, self._keys)

    async def on_mount(self) -> None:
        """Start the collector and open the view."""
        # Not available in the collector's thread: Textual finds the application through a context variable.
        self._application = self.app
        self._collector.start()
        await self._open_view()

    def on_unmount(self) -> None:
        """Stop the collector."""
        self._collector.stop()

    def on_resize(self) -> None:
        """Show the views, or the reason if the terminal is too small."""
        self._draw()

    def _delivered(self, frame: Frame) -> None:
        """Hand a frame over from the collector's thread, which waits until it is drawn: a slow screen gets fewer."""
        if self.is_running:
            # The screen can close meanwhile.
            with suppress(RuntimeError, concurrent.futures.CancelledError):
                self._application.call_from_thread(self.take, frame)

    def take(self, frame: Frame) -> None:
        """Store a frame, and show it unless the screen is paused."""
        self.session.take(frame)
        self._draw()

    def _obstacle(self) -> str:
        """Return why the view cannot be shown; "" if it can."""
        if self.size.width < MIN_COLUMNS or self.size.height < MIN_ROWS:
            return f"too small: {self.size.width}x{self.size.height}\nneeds {MIN_COLUMNS}x{MIN_ROWS} or more"
        if self.session.moment is None:
            return f"{self.session.problem}\n\nretrying every {format_span(self._interval_seconds)}; press q to quit"
        return ""

    def _view(self) -> View | None:
        return self._opened.get(self._view_name)

    def _draw(self) -> None:
        """Update the screen; parts that did not change are not drawn again."""
        obstacle = self._obstacle()
        if obstacle:
            self._notice.update(obstacle)
        self._notice.display, self._views.display = bool(obstacle), not obstacle
        view, moment = self._view(), self.session.moment
        if view is not None and moment is not None and not obstacle:
            session = self.session
            shown = Shown(
                moment, session.selected, session.history, session.visible_events(),
                self._flops, self._needle, self._glyphs, not self.app.no_color,
            )  # fmt: skip
            view.show(shown)
        if self._view_name == "events":
            self._seen_events = self.session.events.severe
        self._health.display = moment is not None and not obstacle
        for section in (self._title, self._health, self._tabs, self._keys):
            section.update()

    def _title_lines(self, width: int) -> list[Text]:
        moment = self.session.moment
        text = title_text(moment.snapshot if moment is not None else None)
        where = "" if self._look.local else f"  {self._look.name}"
        return [title_line(text + where, VIEWS, self._view_name, width, self._badges())]

    def _badges(self) -> dict[str, str]:
        """Return the number of warnings and errors since the events were last open."""
        unseen = self.session.events.severe - self._seen_events
        return {"events": str(min(unseen, 99))} if unseen > 0 else {}

    def _health_lines(self, width: int) -> list[Text]:
        moment = self.session.moment
        if moment is None:
            return []
        return [health_line(moment.health, moment.snapshot.time_ns, width, self._glyphs, self._problem)]

    def _tab_lines(self, width: int) -> list[Text]:
        return [tab_line(self.session.tabs, self.session.selected, width, self._glyphs)]

    def _key_lines(self, width: int) -> list[Text]:
        view = self._view()
        inside = declared_bindings(view) if view is not None else []
        count = 3 if self._in_fleet else 2
        first, rest = self._own_bindings[:count], self._own_bindings[count:]
        badge = self.session.pause_text or (f"filter: {shorten(self._needle, 20)}" if self._needle else "")
        steps = [b for b in rest if self.session.paused and b.action in ("step(-1)", "step(1)")]
        return [key_line((*first, *steps, *(b for b in (*inside, *rest) if b.show)), width, badge)]

    @cached_property
    def _own_bindings(self) -> list[Binding]:
        own = [b for b in self.BINDINGS if isinstance(b, Binding)]
        return [replace(b, show=True) if b.action == "back" else b for b in own if self._in_fleet or b.action != "back"]

    # Views

    async def _open_view(self) -> None:
        """Show the chosen view; create it if it was never open."""
        view = self._view()
        if view is None:
            view = self._opened[self._view_name] = entry_of(self._view_name).make(self._settings)
            await self._views.mount(view)
        for other in self._opened.values():
            other.display = other is view
        view.main_widget().focus()
        self._draw()

    async def action_view(self, name: str) -> None:
        """Go to a view."""
        self._view_name = name
        await self._open_view()

    def remember(self, settings: Settings) -> Settings:
        """The settings with what this screen adds to them."""
        settings = settings._replace(view=self._view_name, flops=self._flops)
        for view in self._opened.values():
            settings = view.remember(settings)
        return settings
