"""The last minutes as charts."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widget import Widget

from neuron_console.units import format_bytes, format_latency, format_span
from neuron_top.draw.charts import AXIS_CELLS, Chart, Values, beside, chart_lines, scale_top, time_axis
from neuron_top.formatting import format_clock, format_percent, format_rate
from neuron_top.model.history import Figures, Sample
from neuron_top.settings import Settings
from neuron_top.shown import Shown
from neuron_top.views.base import View
from neuron_top.widgets.section import Canvas

SPANS_SECONDS = (30.0, 60.0, 120.0, 300.0)
_TWO_COLUMNS_FROM = 120
_MIN_CHART_ROWS = 3
_AXIS_FROM_ROWS = 7


def _bytes(value: float | None) -> str:
    return format_bytes(None if value is None else round(value))


class HistoryView(View):
    """Utilization, throughput, latency and device memory of the selected tab."""

    NOTES = "Charts show the selected tab: all runtimes together, or one."
    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        Binding("plus,equals_sign", "zoom(-1)", "Zoom in", key_display="+"),
        Binding("minus", "zoom(1)", "Zoom out", key_display="-"),
    ]

    def __init__(self, span: int = len(SPANS_SECONDS) - 1) -> None:
        """``span`` is an index of :data:`SPANS_SECONDS`."""
        super().__init__(id="history")
        self._shown: Shown | None = None
        self.span = span
        self._canvas = Canvas(self._draw, id="charts")

    def compose(self) -> ComposeResult:
        """One canvas."""
        yield self._canvas

    def main_widget(self) -> Widget:
        """The canvas."""
        return self._canvas

    def show(self, shown: Shown) -> None:
        """Draw what changed."""
        self._shown = shown
        self._canvas.update()

    def remember(self, settings: Settings) -> Settings:
        """The span."""
        return settings._replace(chart_span=self.span)

    def on_mouse_scroll_up(self) -> None:
        """The wheel zooms."""
        self.action_zoom(-1)

    def on_mouse_scroll_down(self) -> None:
        """The wheel zooms."""
        self.action_zoom(1)

    def action_zoom(self, step: int) -> None:
        """Show a shorter or longer span."""
        self.span = max(0, min(len(SPANS_SECONDS) - 1, self.span + step))
        self._canvas.update()

    def _draw(self, width: int, height: int) -> list[Text]:
        if self._shown is None:
            return []
        across = 2 if width >= _TWO_COLUMNS_FROM else 1
        each = width // across
        # A terminal too low for four charts shows the first ones.
        rows = max(1, min(4 // across, (height - 1) // _MIN_CHART_ROWS))
        charts = self._charts(max(1, each - AXIS_CELLS - 1))[: rows * across]
        # The axis is worth its row where there are more than a few.
        end = format_clock(self._shown.moment.snapshot.wall_time_ns)
        axis = [time_axis(SPANS_SECONDS[self.span], each, end)] if (height - 1) // rows >= _AXIS_FROM_ROWS else []
        chart_rows = (height - 1) // rows - len(axis)
        blocks = [[*chart_lines(chart, each, chart_rows, self._shown.glyphs), *axis] for chart in charts]
        lines: list[Text] = [self._title(width)]
        for start in range(0, len(blocks), across):
            pair = blocks[start : start + across]
            lines += beside(pair[0], pair[1]) if len(pair) == 2 else pair[0]
        return lines

    def _title(self, width: int) -> Text:
        span = format_span(SPANS_SECONDS[self.span])
        text = Text(f" Last {span}, newest at the right; + and - zoom", "dim")
        text.truncate(width)
        return text

    def _series(self, pick: Callable[[Figures], float | None], columns: int) -> Values:
        shown = self._shown
        if shown is None:
            return ()
        snapshot = shown.moment.snapshot
        key = snapshot.runtimes[shown.selected - 1].key if shown.selected else None

        def value(sample: Sample) -> float | None:
            figures = sample.overall if key is None else sample.runtimes.get(key)
            return None if figures is None else pick(figures)

        return shown.history.series(value, snapshot.time_ns, SPANS_SECONDS[self.span], columns)

    def _charts(self, columns: int) -> tuple[Chart, ...]:
        memory = self._series(lambda f: f.device_bytes, columns)
        largest = max((v for v in memory if v is not None), default=0.0)
        p50, p99 = self._series(lambda f: f.p50_ns, columns), self._series(lambda f: f.p99_ns, columns)
        rate = self._series(lambda f: f.executions_per_second, columns)
        return (
            Chart(
                "NeuronCore utilization", (("", self._series(lambda f: f.utilization, columns)),), format_percent, 1.0
            ),
            Chart("Throughput", (("", rate),), format_rate),
            Chart("Latency", (("p50", p50), ("p99", p99)), format_latency),
            Chart("Device memory", (("", memory),), _bytes, scale_top(largest, 1024)),
        )
