"""The last hours of a node, or of the whole fleet, as a Prometheus recorded them."""

from __future__ import annotations

import time
from functools import partial

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen

from neuron_console.palette import CALM, FAULT, GOOD, WARNING
from neuron_console.units import format_bytes, format_latency, format_span
from neuron_top.draw.charts import AXIS_CELLS, Chart, Curve, beside, chart_lines, scale_top, time_axis
from neuron_top.formatting import format_clock, format_percent, format_rate, shorten
from neuron_top.glyphs import Glyphs
from neuron_top.remote.endpoint import Endpoint
from neuron_top.remote.past import SPANS_SECONDS, Past, past_of
from neuron_top.remote.prometheus import Prometheus
from neuron_top.widgets.key_line import key_line
from neuron_top.widgets.section import Canvas, Section
from runtime_core.telemetry import NeuronError

_TWO_COLUMNS_FROM = 120
_MIN_CHART_ROWS = 3
_REFRESH_SECONDS = 15.0
_ONE_HOUR = 1


class PastScreen(Screen[None]):
    """Charts of utilization, executions, latency and device memory."""

    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        Binding("escape,h,q", "dismiss", "Back", key_display="Esc"),
        Binding("plus,equals_sign", "zoom(-1)", "Zoom in", key_display="+"),
        Binding("minus", "zoom(1)", "Zoom out", key_display="-"),
    ]

    def __init__(self, prometheus: Prometheus, endpoint: Endpoint | None, glyphs: Glyphs) -> None:
        """``endpoint``: the node; ``None``: all nodes together."""
        super().__init__()
        self._prometheus = prometheus
        self._endpoint = endpoint
        self._glyphs = glyphs
        self._span = _ONE_HOUR
        self._past: Past | None = None
        self._problem = ""
        self._canvas = Canvas(self._draw, id="charts")
        self._keys = Section(self._key_lines, id="keys")

    def compose(self) -> ComposeResult:
        """Charts and keys."""
        yield from (self._canvas, self._keys)

    def on_mount(self) -> None:
        """Query Prometheus now and at intervals."""
        self._canvas.focus()
        self._keys.update()
        self.set_interval(_REFRESH_SECONDS, self._ask)
        self.call_after_refresh(self._ask)

    def _ask(self) -> None:
        self.run_worker(partial(self._load, SPANS_SECONDS[self._span], self._columns()), thread=True, exclusive=True)

    def _load(self, span_seconds: float, columns: int) -> None:
        problem, past = "", None
        try:
            past = past_of(self._prometheus, self._endpoint, span_seconds, columns, time.time())
        except NeuronError as error:
            problem = str(error)
        if self.is_attached:
            self.app.call_from_thread(self._take, span_seconds, past, problem)

    def _take(self, span_seconds: float, past: Past | None, problem: str) -> None:
        if span_seconds == SPANS_SECONDS[self._span]:
            self._past, self._problem = past or self._past, problem
            self._canvas.update()

    def action_zoom(self, step: int) -> None:
        """Show a shorter or longer span."""
        self._span = max(0, min(len(SPANS_SECONDS) - 1, self._span + step))
        self._canvas.update()
        self._ask()

    def _across(self, width: int) -> int:
        return 2 if width >= _TWO_COLUMNS_FROM else 1

    def _columns(self) -> int:
        width = self._canvas.size.width or self.app.size.width
        return max(1, width // self._across(width) - AXIS_CELLS - 1) * 2

    def _draw(self, width: int, height: int) -> list[Text]:
        lines = [self._title(width)]
        past = self._past
        if past is None:
            return lines
        across = self._across(width)
        each = width // across
        rows = max(1, min(4 // across, (height - 2) // _MIN_CHART_ROWS))
        charts = _charts(past)[: rows * across]
        blocks = [chart_lines(chart, each, (height - 2) // rows, self._glyphs) for chart in charts]
        for start in range(0, len(blocks), across):
            pair = blocks[start : start + across]
            lines += beside(pair[0], pair[1]) if len(pair) == 2 else pair[0]
        axis = time_axis(past.span_seconds, each, format_clock(int(past.end_unix_seconds * 1e9)), (), self._glyphs)
        return [*lines, *(beside([axis], [axis]) if across == 2 else [axis])]

    def _title(self, width: int) -> Text:
        whose = "all nodes" if self._endpoint is None else str(self._endpoint)
        text = Text(f" {shorten(whose, 40, self._glyphs.ellipsis)}", "bold")
        text.append(
            f"  Last {format_span(SPANS_SECONDS[self._span])}, recorded by {self._prometheus.url}", "not bold dim"
        )
        if self._problem:
            text.append(f"  {self._problem}", FAULT)
        elif self._past is None or self._past.span_seconds != SPANS_SECONDS[self._span]:
            text.append("  asking ...", "not bold dim")
        text.truncate(width)
        return text

    def _key_lines(self, width: int) -> list[Text]:
        return [key_line(tuple(b for b in self.BINDINGS if isinstance(b, Binding)), width)]


def _bytes(value: float | None) -> str:
    return format_bytes(None if value is None else round(value))


def _charts(past: Past) -> tuple[Chart, ...]:
    largest = max((value for value in past.device_memory_bytes if value is not None), default=0.0)
    executions = (
        Curve("all", past.executions_per_second, CALM),
        Curve("failed", past.failures_per_second, FAULT),
    )
    return (
        Chart("Utilization of cores in use", (Curve("", past.utilization, GOOD),), format_percent, 1.0),
        Chart("Executions", executions, format_rate),
        Chart("Latency p99, worst runtime", (Curve("", past.latency_p99_ns, WARNING),), format_latency),
        Chart("Device memory", (Curve("", past.device_memory_bytes, CALM),), _bytes, scale_top(largest, 1024)),
    )
