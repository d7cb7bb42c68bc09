"""The node's devices and links, drawn."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.widget import Widget

from neuron_top.draw.topology import topology_lines
from neuron_top.model.topology import make_topology
from neuron_top.shown import Shown
from neuron_top.views.base import View
from neuron_top.widgets.kept import Scroll
from neuron_top.widgets.section import Section


class TopologyView(View):
    """The devices with their links, their owners and their traffic."""

    NOTES = "Each letter is a core and names its owner. A box shows the mean utilization of its cores."
    DEFAULT_CSS = "TopologyView VerticalScroll { scrollbar-size-vertical: 1; }"

    def __init__(self) -> None:
        """Nothing to show yet."""
        super().__init__(id="topology")
        self._shown: Shown | None = None
        self._drawing = Section(self._draw, id="topology-drawing")
        self._frame = Scroll(self._drawing, id="topology-scroll")

    def compose(self) -> ComposeResult:
        """One drawing, which scrolls."""
        yield self._frame

    def main_widget(self) -> Widget:
        """What scrolls."""
        return self._frame

    def show(self, shown: Shown) -> None:
        """Draw what changed."""
        self._shown = shown
        self._drawing.update()

    def _draw(self, width: int) -> list[Text]:
        if self._shown is None:
            return []
        return topology_lines(make_topology(self._shown.moment), width, self._shown.glyphs)
