"""The state behind the views: what is known, and which part of it is shown."""

from __future__ import annotations

import time
from collections.abc import Sequence

from neuron_console.units import format_span
from neuron_top.collector import Frame
from neuron_top.formatting import format_clock
from neuron_top.model.events import Event, EventLog, Severity, events_between
from neuron_top.model.history import History
from neuron_top.model.moment import Moment, RuntimeKey
from neuron_top.model.overview import tab_names


class Session:
    """Live and shown moment, their history, events, and the selected tab.

    Attributes:
        live: the last look, ``None`` while there is no node; ``problem`` says why.
        moment: the look that is shown; another than the live one while paused.
        events: what happened, folded.
    """

    def __init__(self, interval_seconds: float = 1.0) -> None:
        """Nothing was seen yet."""
        self.live: Moment | None = None
        self.moment: Moment | None = None
        self.problem = "looking for a Neuron node"
        self.paused = False
        self.history = History(interval_seconds)
        self.events = EventLog()
        self._key: RuntimeKey | None = None

    def take(self, frame: Frame) -> None:
        """Remember a frame, and show it unless paused."""
        if frame.moment is None:
            if self.live is not None:
                text = f"the node is gone: {frame.problem}"
                self.events.extend((Event(time.time_ns(), Severity.ERROR, "node", text),))
            self.live, self.problem = None, frame.problem
        elif frame.moment is not self.live:
            self.events.extend(events_between(self.live, frame.moment))
            self.live, self.problem = frame.moment, ""
            self.history.add(frame.moment)
        if not self.paused:
            self.moment = self.live

    def toggle_pause(self) -> None:
        """Hold what is shown, or go back to what is live."""
        self.paused = not self.paused and self.moment is not None
        if not self.paused:
            self.moment = self.live

    def step(self, count: int) -> None:
        """Pause, and show the look ``count`` later (or earlier) than the one on show."""
        if self.moment is not None:
            self.paused = True
            self.moment = self.history.step(self.moment, count)

    @property
    def tabs(self) -> tuple[str, ...]:
        """Names of the tabs; none without a node."""
        return tab_names(self.moment.snapshot) if self.moment is not None else ()

    @property
    def selected(self) -> int:
        """Return the tab of the selected runtime in the moment on show; tab 0 if the runtime is not in it."""
        keys = [r.key for r in self.moment.snapshot.runtimes] if self.moment is not None else []
        return keys.index(self._key) + 1 if self._key in keys else 0

    def select(self, index: int) -> None:
        """Select a tab. A number without a tab changes nothing."""
        if self.moment is not None and 0 <= index < len(self.tabs):
            self._key = self.moment.snapshot.runtimes[index - 1].key if index else None

    def select_runtime(self, key: RuntimeKey) -> None:
        """Choose the tab of a runtime."""
        self._key = key

    def visible_events(self) -> Sequence[Event]:
        """Events up to the moment on show."""
        if not self.paused or self.moment is None:
            return self.events.shown()
        return self.events.shown(self.moment.snapshot.wall_time_ns)

    @property
    def pause_text(self) -> str:
        """When the moment on show was, "" unless paused."""
        if not self.paused or self.moment is None:
            return ""
        snapshot = self.moment.snapshot
        text = f"PAUSED at {format_clock(snapshot.wall_time_ns)}"
        if self.live is None:
            return text
        return f"{text}, {format_span((self.live.snapshot.time_ns - snapshot.time_ns) / 1e9)} back"
