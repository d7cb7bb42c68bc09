"""One node: the keys of all views, and the ways from one view to another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand
from textual.binding import Binding

from neuron_top.model.faults import view_of
from neuron_top.screens.watch import WatchScreen
from neuron_top.views.base import declared_bindings
from neuron_top.views.catalogue import VIEWS, entry_of
from neuron_top.widgets.filter_line import FilterLine
from neuron_top.widgets.lines import Lines
from runtime_core.telemetry.health import Place

if TYPE_CHECKING:
    from neuron_top.views.events import EventsView
    from neuron_top.views.processes import ProcessesView

_STEP_FAR = 10


class NodeScreen(WatchScreen):
    """The views of one node, with the keys that go through them."""

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
        """Go to the previous or next tab; after the last comes the first."""
        self.action_tab((self.session.selected + step) % max(1, len(self.session.tabs)))

    def action_filter(self) -> None:
        """Open the filter line."""
        view = self._view()
        if view is not None and view.FILTERS:
            self._filter.open()
        else:
            self.notify("only processes, models and events can be filtered: press p, m or e first")

    def on_input_changed(self, message: FilterLine.Changed) -> None:
        """Apply the filter while it is typed."""
        self._needle = message.value
        self._draw()

    def on_filter_line_done(self) -> None:
        """Return the focus to the view."""
        view = self._view()
        if view is not None:
            view.main_widget().focus()
        self._draw()

    def on_lines_copied(self, message: Lines.Copied) -> None:
        """Put a row on the clipboard."""
        self.app.copy_to_clipboard(message.text)
        self.notify("row copied")

    async def on_processes_view_opened(self, message: ProcessesView.Opened) -> None:
        """Show the history of a process."""
        self.session.select_runtime(message.key)
        await self.action_view("history")

    async def action_open_pid(self, pid: int) -> None:
        """Show the history of a process."""
        moment = self.session.moment
        runtime = next((r for r in moment.snapshot.runtimes if r.pid == pid), None) if moment is not None else None
        if runtime is not None:
            self.session.select_runtime(runtime.key)
            await self.action_view("history")

    async def action_open_core(self, core: int) -> None:
        """Show the history of the owner of a core."""
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
        """Ask for confirmation before a signal is sent."""
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
