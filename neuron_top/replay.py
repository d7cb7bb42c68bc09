"""A recording on the screen: plays as it was recorded, and goes to any moment by keys."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text
from textual.binding import Binding
from textual.screen import Screen

from neuron_console.text import printable
from neuron_console.units import format_span
from neuron_top.app import Shell
from neuron_top.collector import Frame
from neuron_top.formatting import format_clock
from neuron_top.glyphs import Glyphs
from neuron_top.looks import SourceLook
from neuron_top.model.moment import Clean, Moment
from neuron_top.screens.node import NodeScreen
from neuron_top.session import Session
from neuron_top.settings import Settings
from neuron_top.title import title_text
from neuron_top.views.catalogue import VIEWS
from neuron_top.watcher import Watcher
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
        super().__init__(self.replay, clean)

    def moment(self) -> Moment:
        """Look once; see :meth:`neuron_top.looks.Look.moment`."""
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
        """Go on so many seconds later (earlier), within the recording."""
        self.replay.seek(seconds)
        self._before = None


class ReplayScreen(NodeScreen):
    """The views of a recorded node."""

    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        *NodeScreen.BINDINGS,
        Binding("less_than_sign", "seek(-60)", "-1 min", key_display="<", tooltip="Go back a minute of the recording"),
        Binding("greater_than_sign", "seek(60)", "+1 min", key_display=">", tooltip="Go on a minute of the recording"),
        Binding(
            "comma", "seek(-10)", "-10 s", show=False, key_display=",", tooltip="Go back ten seconds of the recording"
        ),
        Binding(
            "full_stop", "seek(10)", "+10 s", show=False, key_display=".", tooltip="Go on ten seconds of the recording"
        ),
        Binding(
            "left_parenthesis",
            "seek(-3600)",
            "-1 h",
            show=False,
            key_display="(",
            tooltip="Go back an hour of the recording",
        ),
        Binding(
            "right_parenthesis",
            "seek(3600)",
            "+1 h",
            show=False,
            key_display=")",
            tooltip="Go on an hour of the recording",
        ),
    ]

    def __init__(self, look: ReplayLook, interval_seconds: float, settings: Settings, glyphs: Glyphs) -> None:
        """Show ``look`` every ``interval_seconds``."""
        super().__init__(look, interval_seconds, settings, glyphs)
        self._replay = look

    def take(self, frame: Frame) -> None:
        """Remember a frame; one from before the last begins anew, for charts and steps only go forward."""
        live = self.session.live
        if frame.moment is not None and live is not None and frame.moment.snapshot.time_ns < live.snapshot.time_ns:
            self.session = Session(self._interval_seconds)
        super().take(frame)

    def action_seek(self, seconds: int) -> None:
        """Go to another moment; a screen that is paused goes on there."""
        self._replay.seek(seconds)
        if self.session.paused:
            self.session.toggle_pause()
        self._draw()

    def _title_lines(self, width: int) -> list[Text]:
        moment = self.session.moment
        if moment is None:
            return super()._title_lines(width)
        source = self._replay.replay
        passed = (moment.snapshot.wall_time_ns - source.recording.times_ns[0]) / 1e9
        when = f"  {format_clock(moment.snapshot.wall_time_ns)}, {format_span(passed)} of "
        text = f"{title_text(moment.snapshot)}{when}{format_span(source.recording.seconds)}"
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
