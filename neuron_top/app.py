"""The application: opens a screen, keeps what all screens share, and returns what is to be remembered."""

from __future__ import annotations

import os
from collections.abc import Iterable

from textual.app import App, SystemCommand
from textual.screen import Screen

from neuron_top.glyphs import ASCII, Glyphs, terminal_glyphs
from neuron_top.looks import Look
from neuron_top.screens.node import NodeScreen
from neuron_top.settings import Settings


class NeuronTop(App[Settings]):
    """neuron-top over one node; returns what is to be remembered."""

    CSS_PATH = "app.tcss"
    TITLE = "neuron-top"

    def __init__(
        self,
        look: Look,
        interval_seconds: float = 1.0,
        settings: Settings | None = None,
        glyphs: Glyphs | None = None,
    ) -> None:
        """Watch ``look`` every ``interval_seconds``."""
        # Textual turns everything grey under NO_COLOR, unless it uses the terminal's own colours: then there are none.
        super().__init__(ansi_color="NO_COLOR" in os.environ)
        self._settings = settings if settings is not None else Settings()
        self._glyphs = glyphs if glyphs is not None else terminal_glyphs()
        self.node = NodeScreen(look, interval_seconds, self._settings, self._glyphs)

    def on_mount(self) -> None:
        """Open the node's screen."""
        if self._settings.theme in self.available_themes:
            self.theme = self._settings.theme
        self.set_class(self._glyphs is ASCII, "ascii")

    def get_default_screen(self) -> Screen[None]:
        """The node's."""
        return self.node

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the screen offers, beside Textual's own commands."""
        yield from super().get_system_commands(screen)
        if isinstance(screen, NodeScreen):
            yield from screen.commands()

    async def action_quit(self) -> None:
        """End, and return what is to be remembered."""
        self.exit(self.node.remember(self._settings._replace(theme=self.theme)))
