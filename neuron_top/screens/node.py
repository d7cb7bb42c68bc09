"""One node: composes the views, hands moments to them, answers keys."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult, SystemCommand
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Static

from neuron_console.units import format_span
from neuron_top.collector import Collector, Frame
from neuron_top.draw.health import health_line
from neuron_top.draw.overview import tab_line
from neuron_top.formatting import shorten
from neuron_top.glyphs import Glyphs
from neuron_top.looks import Look
from neuron_top.model.faults import view_of
from neuron_top.session import Session
from neuron_top.settings import Settings
from neuron_top.shown import Shown
from neuron_top.title import title_text
from neuron_top.views.base import View, declared_bindings
from neuron_top.views.catalogue import VIEWS, entry_of
from neuron_top.widgets.filter_line import FilterLine
from neuron_top.widgets.kept import Box
from neuron_top.widgets.key_line import key_line
from neuron_top.widgets.lines import Lines
from neuron_top.widgets.section import Section
from neuron_top.widgets.title_line import title_line
from runtime_core.telemetry.health import Place

if TYPE_CHECKING:
    from neuron_top.views.events import EventsView
    from neuron_top.views.processes import ProcessesView

MIN_COLUMNS, MIN_ROWS = 78, 20
"""Below that figures of the overview would be cut off, or its tree would have no room."""
_STEP_FAR = 10


class NodeScreen(Screen[None]):
    """The views of one node."""

    BLANK = True  # Widgets cover it: only its background shows.

    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        Binding("q", "app.quit", "Quit"),
        Binding("question_mark", "help", "Help"),
        Binding("escape", "back", "Fleet", show=False, tooltip="Back to the fleet"),
        Binding("f", "flops", "%/FLOPS", tooltip="Switch between percent and FLOPS"),
        Binding("space", "pause", "Pause", tooltip="Pause or resume the screen"),
        Binding("slash", "filter", "Filter", tooltip="Filter processes, models and events"),
        Binding("exclamation_mark", "problem", "Problem", key_display="!", tooltip="Go to the next problem"),
        Binding("a", "tab_by(-1)", "Prev tab", tooltip="Previous tab"),
        Binding("d", "tab_by(1)", "Next tab"),
        *(Binding(e.key, f"view('{e.name}')", e.title, show=False, tooltip=f"View: {e.title}") for e in VIEWS),
        Binding("1", "tab(0)", "Tab 1", show=False, key_display="1-9", tooltip="Select a tab; 1 shows all runtimes"),
        *(Binding(str(n), f"tab({n - 1})", "", show=False) for n in range(2, 10)),
        Binding("left_square_bracket", "step(-1)", "Back", show=False, tooltip="Pause, and go back one snapshot"),
        Binding("right_square_bracket", "step(1)", "Forward", show=False, tooltip="Go forward one snapshot"),
        Binding("left_curly_bracket", f"step({-_STEP_FAR})", "Far back", show=False, tooltip="Back ten snapshots"),
        Binding(
            "right_curly_bracket", f"step({_STEP_FAR})", "Far forward", show=False, tooltip="Forward ten snapshots"
        ),
        Binding("ctrl+s", "app.save_picture", "Screenshot", show=False, tooltip="Save the screen as an SVG file"),
    ]

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
        """Begin to look at the node."""
        # The collector's thread can't ask for it: Textual finds the application by a context variable.
        self._application = self.app
        self._collector.start()
        await self._open_view()

    def on_unmount(self) -> None:
        """End the collector's thread."""
        self._collector.stop()

    def on_resize(self) -> None:
        """A screen too small for the sections says so."""
        self._draw()

    def _delivered(self, frame: Frame) -> None:
        """Called on the collector's thread, which waits until the frame is drawn: a slow screen gets fewer looks."""
        if self.is_running:
            # The screen may end meanwhile.
            with suppress(RuntimeError, concurrent.futures.CancelledError):
                self._application.call_from_thread(self.take, frame)

    def take(self, frame: Frame) -> None:
        """Remember a frame, and show it unless the screen is paused."""
        self.session.take(frame)
        self._draw()

    def _obstacle(self) -> str:
        """Why the view can't be shown; "" when it can."""
        if self.size.width < MIN_COLUMNS or self.size.height < MIN_ROWS:
            return f"too small: {self.size.width}x{self.size.height}\nneeds {MIN_COLUMNS}x{MIN_ROWS} or more"
        if self.session.moment is None:
            return f"{self.session.problem}\n\nretrying every {format_span(self._interval_seconds)}; press q to quit"
        return ""

    def _view(self) -> View | None:
        return self._opened.get(self._view_name)

    def _draw(self) -> None:
        """Bring the screen up to date; what did not change is left alone."""
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
        """How many warnings and errors came since the events were last open."""
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
        """Show the chosen view, making it first if it was never open."""
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

    def action_help(self) -> None:
        """Show every key."""
        from neuron_top.screens.help import HelpScreen, help_text

        view, entry = self._view(), entry_of(self._view_name)
        own = self._own_bindings
        views = [replace(b, tooltip=b.description) for b in own if b.action.startswith("view(")]
        rest = [b for b in own if not b.action.startswith("view(")]
        here = [(f"Keys of {entry.title}", view.NOTES, declared_bindings(view))] if view is not None else []
        self.app.push_screen(
            HelpScreen(help_text([("Views", "", views), *here]), help_text([("Everywhere", "", rest)]))
        )

    def commands(self) -> Iterable[SystemCommand]:
        """What the command palette offers here: the views and switches."""
        for entry in VIEWS:
            yield SystemCommand(f"View: {entry.title}", f"key {entry.key}", partial(self.action_view, entry.name))
        yield SystemCommand("Pause or resume", "key space", self.action_pause)
        yield SystemCommand("Percent or FLOPS", "key f", self.action_flops)

    def action_back(self) -> None:
        """Go back to the fleet, if this node was opened there."""
        if self._in_fleet:
            self.dismiss()

    # Switches

    def action_flops(self) -> None:
        """Switch between percent and FLOPS."""
        self._flops = not self._flops
        self._draw()

    def action_pause(self) -> None:
        """Pause or resume the screen."""
        self.session.toggle_pause()
        self._draw()

    def action_step(self, count: int) -> None:
        """Show an earlier or later look."""
        self.session.step(count)
        self._draw()

    def action_tab(self, index: int) -> None:
        """Go to a tab."""
        self.session.select(index)
        self._draw()

    def action_tab_by(self, step: int) -> None:
        """Go to the previous or next tab, around the ends."""
        self.action_tab((self.session.selected + step) % max(1, len(self.session.tabs)))

    def action_filter(self) -> None:
        """Let a filter be typed."""
        view = self._view()
        if view is not None and view.FILTERS:
            self._filter.open()
        else:
            self.notify("only processes, models and events can be filtered: press p, m or e first")

    def on_input_changed(self, message: FilterLine.Changed) -> None:
        """Narrow the view while it is typed."""
        self._needle = message.value
        self._draw()

    def on_filter_line_done(self) -> None:
        """Give the keys back to the view."""
        view = self._view()
        if view is not None:
            view.main_widget().focus()
        self._draw()

    def on_lines_copied(self, message: Lines.Copied) -> None:
        """Put a row on the clipboard."""
        self.app.copy_to_clipboard(message.text)
        self.notify("row copied")

    async def on_processes_view_opened(self, message: ProcessesView.Opened) -> None:
        """Show what a process did."""
        self.session.select_runtime(message.key)
        await self.action_view("history")

    async def action_open_pid(self, pid: int) -> None:
        """Show what a process did."""
        moment = self.session.moment
        runtime = next((r for r in moment.snapshot.runtimes if r.pid == pid), None) if moment is not None else None
        if runtime is not None:
            self.session.select_runtime(runtime.key)
            await self.action_view("history")

    async def action_open_core(self, core: int) -> None:
        """Show what the owner of a core did."""
        moment = self.session.moment
        owner = moment.snapshot.core_owner.get(core) if moment is not None else None
        if owner is not None:
            self.session.select_runtime(owner.key)
            await self.action_view("history")

    async def action_problem(self, number: int | None = None) -> None:
        """Go to a problem: the next one, or the one that was clicked."""
        verdicts = self.session.moment.health if self.session.moment is not None else ()
        if not verdicts:
            self.notify("no known problems")
            return
        following = 0 if self._problem is None else self._problem + 1
        self._problem = (following if number is None else number) % len(verdicts)
        verdict = verdicts[self._problem]
        await self._go(verdict.where, view_of(verdict))

    async def _go(self, place: Place, view_name: str) -> None:
        """Show a place in a view."""
        await self.action_view(view_name)
        view = self._view()
        if view is not None:
            view.look_at(place)
        self._draw()

    async def on_events_view_opened(self, message: EventsView.Opened) -> None:
        """Show where something happened."""
        place = message.place
        if place.core is not None:
            await self._go(place, "cores")
        elif place.link is not None or place.device is not None:
            await self._go(place, "topology")
        else:
            await self._go(place, "processes")

    def on_processes_view_signal_wanted(self, message: ProcessesView.SignalWanted) -> None:
        """Ask before a signal is sent."""
        from neuron_top.screens.confirm import SignalScreen

        if self._read_only:
            self.notify("signals are off: neuron-top runs with --read-only", severity="warning")
            return
        if not self._look.local:
            self.notify("signals can be sent to processes of this machine only", severity="warning")
            return

        def tell(outcome: str | None) -> None:
            if outcome:
                self.notify(outcome)

        process = message.process
        pid, start_ns = process.key
        self.app.push_screen(SignalScreen(process, lambda: self._look.pin(pid, start_ns)), tell)

    def remember(self, settings: Settings) -> Settings:
        """The settings with what this screen adds to them."""
        settings = settings._replace(view=self._view_name, flops=self._flops)
        for view in self._opened.values():
            settings = view.remember(settings)
        return settings
