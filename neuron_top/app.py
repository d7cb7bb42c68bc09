"""The application: opens a screen, holds what all screens share, and returns the settings to save."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from textual.app import App, SystemCommand
from textual.filter import LineFilter
from textual.screen import Screen

from neuron_top.contrast import AsciiText, ReadableText
from neuron_top.glyphs import ASCII, Glyphs, terminal_glyphs
from neuron_top.hangup import when_gone
from neuron_top.looks import Look
from neuron_top.screens.node import NodeScreen
from neuron_top.settings import Settings

if TYPE_CHECKING:
    from neuron_top.remote.fleet import Fleet
    from neuron_top.remote.prometheus import Prometheus
    from neuron_top.screens.fleet import FleetScreen


@runtime_checkable
class OffersCommands(Protocol):
    """A screen with commands of its own for the command palette."""

    def commands(self) -> Iterable[SystemCommand]:
        """Title, help and what is done."""
        ...


class Shell(App[Settings]):
    """Base of the applications for one node and for a fleet; returns the settings to save."""

    CSS_PATH = "app.tcss"
    TITLE = "neuron-top"

    def __init__(
        self, settings: Settings | None = None, glyphs: Glyphs | None = None, *, read_only: bool = False
    ) -> None:
        """Restore the state of the last run. With ``read_only``, send no signals and write no files."""
        self._read_only = read_only
        # Textual turns everything grey under NO_COLOR, unless it uses the terminal's own colours: then there are none.
        super().__init__(ansi_color="NO_COLOR" in os.environ)
        self._settings = settings if settings is not None else Settings()
        self._glyphs = glyphs if glyphs is not None else terminal_glyphs()
        self._text_filters: list[LineFilter] = [] if "NO_COLOR" in os.environ else [ReadableText()]
        if self._glyphs is ASCII:
            self._text_filters.append(AsciiText())

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's, and those that make text readable in this theme and on this terminal."""
        return [*super().get_line_filters(), *self._text_filters]

    def on_mount(self) -> None:
        """Apply the theme of the last run, and exit cleanly on SIGTERM and SIGHUP."""
        if self._settings.theme in self.available_themes:
            self.theme = self._settings.theme
        self.set_class(self._glyphs is ASCII, "ascii")
        # Only the main thread takes signals.
        with suppress(RuntimeError, ValueError):
            for number in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, self.end)
        if not self.is_headless and sys.stdin is not None and sys.stdin.isatty():
            loop = asyncio.get_running_loop()
            when_gone(sys.stdin.fileno(), lambda: loop.call_soon_threadsafe(self.end))

    def remembered(self) -> Settings:
        """Return the settings for the next run."""
        return self._settings._replace(theme=self.theme)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the screen offers, beside Textual's own commands."""
        for command in super().get_system_commands(screen):
            if not (self._read_only and command.title == "Screenshot"):
                yield command
        if isinstance(screen, OffersCommands):
            yield from screen.commands()

    def action_save_picture(self) -> None:
        """Save the screen as SVG in the working directory."""
        if self._read_only:
            self.notify("screenshots are off: neuron-top runs with --read-only", severity="warning")
            return
        try:
            self.notify(f"saved {self.save_screenshot(path=str(Path.cwd()))}")
        except OSError as error:
            self.notify(f"cannot write to {Path.cwd()}: {error.strerror}", severity="error")

    def end(self) -> None:
        """Exit with the settings to save."""
        self.exit(self.remembered())

    async def action_quit(self) -> None:
        """Exit."""
        self.end()


class NeuronTop(Shell):
    """neuron-top over one node."""

    def __init__(
        self,
        look: Look,
        interval_seconds: float = 1.0,
        settings: Settings | None = None,
        glyphs: Glyphs | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        """Watch ``look`` every ``interval_seconds``; ``read_only``: see :class:`Shell`."""
        super().__init__(settings, glyphs, read_only=read_only)
        self.node = NodeScreen(look, interval_seconds, self._settings, self._glyphs, read_only=read_only)

    def get_default_screen(self) -> Screen[None]:
        """The node's."""
        return self.node

    def remembered(self) -> Settings:
        """Return the settings for the next run."""
        return self.node.remember(super().remembered())


class FleetTop(Shell):
    """neuron-top over many nodes."""

    def __init__(
        self,
        fleet: Fleet,
        settings: Settings | None = None,
        glyphs: Glyphs | None = None,
        *,
        read_only: bool = False,
        prometheus: Prometheus | None = None,
    ) -> None:
        """Watch ``fleet``, whose history ``prometheus`` has; ``read_only``: see :class:`Shell`."""
        from neuron_top.screens.fleet import FleetScreen

        super().__init__(settings, glyphs, read_only=read_only)
        self._fleet = fleet
        self.table: FleetScreen = FleetScreen(fleet, self._settings, self._glyphs, prometheus)

    def get_default_screen(self) -> Screen[None]:
        """The fleet's."""
        return self.table

    def on_fleet_screen_opened(self, message: FleetScreen.Opened) -> None:
        """Show a node by itself, until Esc."""
        interval_seconds = min(1.0, self._fleet.interval_seconds)
        look = self._fleet.node_look(message.number)
        screen = NodeScreen(
            look, interval_seconds, self._settings, self._glyphs, in_fleet=True, read_only=self._read_only
        )

        def keep(_: None) -> None:
            self._settings = screen.remember(self._settings)

        self.push_screen(screen, keep)

    def remembered(self) -> Settings:
        """Return the settings for the next run."""
        settings = super().remembered()
        for screen in self.screen_stack:
            if isinstance(screen, NodeScreen):
                settings = screen.remember(settings)
        return self.table.remember(settings)
