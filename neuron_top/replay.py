"""A recording on the screen: plays as it was recorded, and goes to any moment by keys or a click."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen

from neuron_console.text import printable
from neuron_console.units import format_span
from neuron_top.app import Shell
from neuron_top.collector import Frame
from neuron_top.draw.scrub import scrub_line
from neuron_top.formatting import format_clock
from neuron_top.glyphs import Glyphs
from neuron_top.looks import SourceLook
from neuron_top.model.moment import Clean, Moment
from neuron_top.model.scan import EventScan
from neuron_top.screens.node import NodeScreen
from neuron_top.session import Session
from neuron_top.settings import Settings
from neuron_top.title import instance_text
from neuron_top.views.catalogue import VIEWS
from neuron_top.watcher import Watcher
from neuron_top.widgets.section import Section
from neuron_top.widgets.title_line import title_line
from runtime_core.telemetry.recording import ReplaySource


class ReplayLook(SourceLook):
    """A recording; every look knows its rates, for what was before is in the file."""

    def __init__(self, path: Path, clean: Clean = printable) -> None:
        """Play the recording at ``path`` from its start.

        Raises:
            RecordingError: it is none.
        """
        self.replay = ReplaySource(path)
        self.scan = EventScan(path, clean)
        self._last: Moment | None = None
        super().__init__(self.replay, clean)

    def moment(self) -> Moment:
        """Look once; see :meth:`neuron_top.looks.Look.moment`. At the end the last moment stays."""
        if self._last is None or not self.replay.at_end:
            self._last = self._next()
        return self._last

    def _next(self) -> Moment:
        found = super().moment()
        if found.rates is not None or self._before is None:
            return found
        earlier = self.replay.preceding()
        if earlier is None:
            return found
        self._watcher = Watcher(self._clean)
        self._watcher.moment(None, earlier)
        return self._watcher.moment(earlier, self._before)

    def seek(self, seconds: float) -> None:
        """Continue this many seconds later (or earlier), within the recording."""
        self.replay.seek(seconds)
        self._before = None

    def go_to(self, time_ns: int) -> None:
        """Go to the moment of a Unix time."""
        self.replay.go_to(time_ns)
        self._before = None


class ReplayScreen(NodeScreen):
    """The views of a recorded node."""

    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        *NodeScreen.BINDINGS,
        Binding("less_than_sign", "seek(-60)", "-1 min", key_display="<", tooltip="Go back one minute"),
        Binding("greater_than_sign", "seek(60)", "+1 min", key_display=">", tooltip="Go forward one minute"),
        Binding("comma", "seek(-10)", "-10 s", show=False, key_display=",", tooltip="Go back ten seconds"),
        Binding("full_stop", "seek(10)", "+10 s", show=False, key_display=".", tooltip="Go forward ten seconds"),
        Binding(
            "left_parenthesis",
            "seek(-3600)",
            "-1 h",
            show=False,
            key_display="(",
            tooltip="Go back one hour",
        ),
        Binding(
            "right_parenthesis",
            "seek(3600)",
            "+1 h",
            show=False,
            key_display=")",
            tooltip="Go forward one hour",
        ),
        Binding("n", "event(1)", "Event", tooltip="Go to the next event"),
        Binding("N", "event(-1)", "Prev event", show=False, tooltip="Go to the previous event"),
    ]

    def __init__(self, look: ReplayLook, interval_seconds: float, settings: Settings, glyphs: Glyphs) -> None:
        """Show ``look`` every ``interval_seconds``."""
        super().__init__(look, interval_seconds, settings, glyphs)
        self._replay = look
        self._scrub = Section(self._scrub_lines, id="scrub")

    def compose(self) -> ComposeResult:
        """Add the scrub bar to the parts of every node's screen."""
        yield from super().compose()
        yield self._scrub

    async def on_mount(self) -> None:
        """Start to search the whole recording for events."""
        self._replay.scan.start()

    def on_unmount(self) -> None:
        """Stop the search for events."""
        self._replay.scan.stop()

    def take(self, frame: Frame) -> None:
        """Store a frame. A frame earlier than the last one starts a new session, because charts only go forward."""
        live = self.session.live
        if frame.moment is not None and live is not None and frame.moment.snapshot.time_ns < live.snapshot.time_ns:
            self.session = Session(self._interval_seconds)
            self.session.events.extend(self._replay.scan.until(frame.moment.snapshot.wall_time_ns))
        super().take(frame)

    def action_seek(self, seconds: int) -> None:
        """Go to another moment; a screen that is paused goes on there."""
        self._replay.seek(seconds)
        self._go_on()

    def action_go_to(self, time_ns: int) -> None:
        """Go to the moment that was clicked."""
        self._replay.go_to(time_ns)
        self._go_on()

    def action_event(self, direction: int) -> None:
        """Go to the next (1) or the previous (-1) event."""
        moment = self.session.moment
        if moment is None:
            return
        now_ns = moment.snapshot.wall_time_ns
        times = [e.wall_time_ns for e in self._replay.scan.events if (e.wall_time_ns - now_ns) * direction > 0]
        if not times:
            more = "" if self._replay.scan.done else " so far: the recording is still being read"
            self.notify(f"no {'later' if direction > 0 else 'earlier'} event{more}")
            return
        self.action_go_to(min(times) if direction > 0 else max(times))

    def _go_on(self) -> None:
        if self.session.paused:
            self.session.toggle_pause()
        self._draw()

    def _draw(self) -> None:
        super()._draw()
        self._scrub.display = self._health.display
        self._scrub.update()

    def _scrub_lines(self, width: int) -> list[Text]:
        moment = self.session.moment
        if moment is None:
            return []
        times_ns = self._replay.replay.recording.times_ns
        now_ns = moment.snapshot.wall_time_ns
        return [scrub_line(self._replay.scan.events, times_ns[0], times_ns[-1], now_ns, width, self._glyphs)]

    def _title_lines(self, width: int) -> list[Text]:
        moment = self.session.moment
        if moment is None:
            return super()._title_lines(width)
        source = self._replay.replay
        passed = (moment.snapshot.wall_time_ns - source.recording.times_ns[0]) / 1e9
        end = " (end)" if moment.snapshot.wall_time_ns >= source.recording.times_ns[-1] else ""
        when = f"{format_clock(moment.snapshot.wall_time_ns)}, {format_span(passed)} of "
        # The time stands first: a narrow terminal cuts the end off.
        text = f"neuron-top  {when}{format_span(source.recording.seconds)}{end}  {instance_text(moment.snapshot)}"
        return [title_line(text, VIEWS, self._view_name, width)]


class ReplayTop(Shell):
    """neuron-top over a recording."""

    def __init__(
        self,
        look: ReplayLook,
        interval_seconds: float = 1.0,
        settings: Settings | None = None,
        glyphs: Glyphs | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        """Show ``look`` every ``interval_seconds``; ``read_only``: see :class:`neuron_top.app.Shell`."""
        super().__init__(settings, glyphs, read_only=read_only)
        self.node = ReplayScreen(look, interval_seconds, self._settings, self._glyphs)

    def get_default_screen(self) -> Screen[None]:
        """The recording's."""
        return self.node

    def remembered(self) -> Settings:
        """What the next run begins with."""
        return self.node.remember(super().remembered())
