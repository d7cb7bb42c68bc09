"""The heat map of all NeuronCores."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.widget import Widget

from neuron_top.draw.cores import heat_lines, legend, plan
from neuron_top.model.history import HISTORY_SECONDS
from neuron_top.model.overview import chosen_runtimes, core_rows
from neuron_top.shown import Shown
from neuron_top.views.base import View
from neuron_top.widgets.kept import Scroll
from neuron_top.widgets.section import Section
from runtime_core.telemetry.health import Place


class CoresView(View):
    """Some lines a device: each core's load as colour and number, whose it is, and the last five minutes."""

    NOTES = "Each core shows its load, its owner where there is room, and its last five minutes."
    DEFAULT_CSS = """
    CoresView VerticalScroll { scrollbar-size-vertical: 1; }
    CoresView #cores-legend { dock: bottom; height: 1; }
    """

    def __init__(self) -> None:
        """Nothing to show yet."""
        super().__init__(id="cores")
        self._shown: Shown | None = None
        self._heat = Section(self._map, id="heat-map")
        self._frame = Scroll(self._heat, id="cores-scroll")
        self._below = Section(self._legend, id="cores-legend")

    def compose(self) -> ComposeResult:
        """The map, and what its colours mean."""
        yield self._frame
        yield self._below

    def main_widget(self) -> Widget:
        """What scrolls."""
        return self._frame

    def show(self, shown: Shown) -> None:
        """Draw what changed."""
        self._shown = shown
        self._heat.update()
        self._below.update()

    def look_at(self, place: Place) -> None:
        """Scroll to the device of a core."""
        if self._shown is None or place.core is None:
            return
        devices = self._shown.moment.devices
        number = next((n for n, device in enumerate(devices) if place.core in device.core_ids), None)
        if number is not None and devices:
            self._frame.scroll_to(y=1 + number * (self._heat.size.height - 1) // len(devices) - 2, animate=False)

    def _map(self, width: int) -> list[Text]:
        shown = self._shown
        if shown is None:
            return []
        snapshot = shown.moment.snapshot
        moment = shown.moment
        rows = core_rows(snapshot, moment.rates, chosen_runtimes(snapshot, shown.selected), moment.faults, moment.lost)
        owners = {core: runtime.tag for core, runtime in snapshot.core_owner.items()}
        place = plan(width, self._frame.size.height, rows, flops=shown.flops)
        recent = shown.history.core_series(snapshot.time_ns, HISTORY_SECONDS, place.curve)
        return heat_lines(
            rows, width, place, owners, recent, flops=shown.flops, glyphs=shown.glyphs, colour=shown.colour
        )

    def on_resize(self) -> None:
        """A higher place has room for higher curves."""
        self.call_after_refresh(self._heat.update)

    def _legend(self, width: int) -> list[Text]:
        return [] if self._shown is None else [legend(width, self._shown.glyphs, colour=self._shown.colour)]
