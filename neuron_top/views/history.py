"""The last minutes as charts."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widget import Widget

from neuron_console.palette import CALM, FAULT, GOOD, WARNING
from neuron_console.units import format_bytes, format_latency, format_span
from neuron_top.draw.charts import AXIS_CELLS, Chart, Curve, Values, beside, chart_lines, scale_top, time_axis
from neuron_top.formatting import format_clock, format_percent, format_rate, shorten
from neuron_top.model.events import Severity
from neuron_top.model.overview import tab_names
from neuron_top.model.sample import Figures, Sample, max_known, mean_known, worst_latency
from neuron_top.settings import Settings
from neuron_top.shown import Shown
from neuron_top.views.base import View
from neuron_top.widgets.section import Canvas

SPANS_SECONDS = (10.0, 30.0, 60.0, 120.0, 300.0)
AUTOMATIC = -1
"""As long as there are figures."""

_TWO_COLUMNS_FROM = 120
_MIN_CHART_ROWS = 3
_AXIS_FROM_ROWS = 7


def _bytes(value: float | None) -> str:
    return format_bytes(None if value is None else round(value))


class HistoryView(View):
    """Utilization, throughput, latency and device memory of the selected tab."""

    NOTES = (
        "Charts of the selected tab: all runtimes together, or one. For all runtimes, the latency is that of the "
        "slowest one, which the title names. Marks on the time axis are warnings and errors."
    )
    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        Binding("plus,equals_sign", "zoom(-1)", "Zoom in", key_display="+"),
        Binding("minus", "zoom(1)", "Zoom out", key_display="-"),
        Binding("0", "zoom_auto", "All", tooltip="Show the whole history"),
    ]

    def __init__(self, span: int = AUTOMATIC) -> None:
        """``span`` is an index of :data:`SPANS_SECONDS`, or :data:`AUTOMATIC`."""
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
        begin = self._span_now()
        self.span = max(0, min(len(SPANS_SECONDS) - 1, begin + step))
        self._canvas.update()

    def action_zoom_auto(self) -> None:
        """Show what there is."""
        self.span = AUTOMATIC
        self._canvas.update()

    def _span_now(self) -> int:
        """The span on show; without a choice the shortest that holds all figures."""
        if self.span != AUTOMATIC or self._shown is None:
            return max(0, self.span)
        there = self._shown.history.seconds_until(self._shown.moment.snapshot.time_ns)
        longest = len(SPANS_SECONDS) - 1
        return next((i for i, seconds in enumerate(SPANS_SECONDS) if seconds >= there), longest)

    def _draw(self, width: int, height: int) -> list[Text]:
        if self._shown is None:
            return []
        across = 2 if width >= _TWO_COLUMNS_FROM else 1
        each = width // across
        # A terminal too low for four charts shows the first ones.
        rows = max(1, min(4 // across, (height - 1) // _MIN_CHART_ROWS))
        charts = self._charts(max(1, each - AXIS_CELLS - 1) * 2)[: rows * across]
        # Every chart has its axis where there is room for that, else the lowest ones.
        roomy = (height - 1) // rows >= _AXIS_FROM_ROWS
        below = 0 if roomy else 1
        axis = self._axis(each)
        chart_rows = (height - 1 - below) // rows - (1 if roomy else 0)
        blocks = [[*chart_lines(chart, each, chart_rows, self._shown.glyphs), *([axis] if roomy else [])]
                  for chart in charts]  # fmt: skip
        lines: list[Text] = [self._title(width)]
        for start in range(0, len(blocks), across):
            pair = blocks[start : start + across]
            lines += beside(pair[0], pair[1]) if len(pair) == 2 else pair[0]
        if not roomy:
            lines += beside([axis], [axis]) if across == 2 else [axis]
        return lines

    def _axis(self, width: int) -> Text:
        shown = self._shown
        if shown is None:
            return Text()
        span = SPANS_SECONDS[self._span_now()]
        end_ns = shown.moment.snapshot.wall_time_ns
        times = (t for event in shown.events if event.severity is not Severity.INFO
                 for t in (event.wall_time_ns, event.last_ns) if t)  # fmt: skip
        ticks = (seconds for t in times if 0 <= (seconds := (end_ns - t) / 1e9) <= span)
        return time_axis(span, width, format_clock(end_ns), ticks, shown.glyphs)

    def _title(self, width: int) -> Text:
        shown = self._shown
        if shown is None:
            return Text()
        span = format_span(SPANS_SECONDS[self._span_now()])
        whose = tab_names(shown.moment.snapshot)[shown.selected]
        text = Text(f" {shorten(whose, 40, shown.glyphs.ellipsis)}", "bold")
        auto = " (all data)" if self.span == AUTOMATIC else ""
        text.append(f"  Last {span}{auto}, newest on the right; + and - zoom, 0 shows all data", "not bold dim")
        text.truncate(width)
        return text

    def _series(
        self,
        pick: Callable[[Figures], float | None],
        columns: int,
        combine: Callable[[list[float | None]], float | None] = mean_known,
    ) -> Values:
        shown = self._shown
        if shown is None:
            return ()
        snapshot = shown.moment.snapshot
        key = snapshot.runtimes[shown.selected - 1].key if shown.selected else None

        def value(sample: Sample) -> float | None:
            figures = sample.overall if key is None else sample.runtimes.get(key)
            return None if figures is None else pick(figures)

        return shown.history.series(value, snapshot.time_ns, SPANS_SECONDS[self._span_now()], columns, combine)

    def _latency(self, columns: int) -> Chart:
        """Of one runtime its p50 and p99; of all the worst p99, and thin those of all executions together."""
        shown = self._shown
        p50 = self._series(lambda f: f.p50_ns, columns)
        p99 = self._series(lambda f: f.p99_ns, columns, max_known)
        if shown is None or shown.selected:
            return Chart("Latency", (Curve("p50", p50, CALM), Curve("p99", p99, WARNING)), format_latency)
        span = SPANS_SECONDS[self._span_now()]
        end_ns = shown.moment.snapshot.time_ns
        worst = shown.history.series(lambda s: s.worst_p99_ns, end_ns, span, columns, max_known)
        found = worst_latency(shown.moment)
        names = dict(zip((r.key for r in shown.moment.snapshot.runtimes), tab_names(shown.moment.snapshot)[1:],
                         strict=True))  # fmt: skip
        whose = shorten(names.get(found[0], "?"), 16, shown.glyphs.ellipsis) if found is not None else ""
        curves = (Curve("all: p50", p50, CALM), Curve("p99", p99, "dim"), Curve(f"p99 of {whose}", worst, WARNING))
        return Chart("Worst latency", curves, format_latency)

    def _charts(self, columns: int) -> tuple[Chart, ...]:
        memory = self._series(lambda f: f.device_bytes, columns)
        largest = max((v for v in memory if v is not None), default=0.0)
        rate = self._series(lambda f: f.executions_per_second, columns)
        failed = self._series(lambda f: f.failures_per_second, columns)
        throughput = (Curve("completed", rate, CALM), Curve("failed", failed, FAULT))
        busy = self._series(lambda f: f.utilization, columns)
        return (
            Chart("NeuronCore utilization", (Curve("", busy, GOOD),), format_percent, 1.0),
            Chart("Executions", throughput, format_rate),
            self._latency(columns),
            Chart("Device memory", (Curve("", memory, CALM),), _bytes, scale_top(largest, 1024)),
        )
