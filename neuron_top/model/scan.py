"""The events of a whole recording, found beside the screen while it already plays."""

from __future__ import annotations

import threading
from pathlib import Path

from neuron_top.model.events import Event, EventLog, events_between
from neuron_top.model.moment import Clean, Moment
from neuron_top.watcher import Watcher
from runtime_core.telemetry.recording import Recording, RecordingError
from runtime_core.telemetry.snapshot import Snapshot

MAX_LOOKS = 2000
"""A longer recording is looked at in larger steps; an event is then known to within a step."""


class EventScan:
    """Reads a recording from start to end on a thread of its own."""

    def __init__(self, path: Path, clean: Clean) -> None:
        """Nothing is read before :meth:`start`; ``clean`` makes outside text fit for the terminal."""
        self._path = path
        self._clean = clean
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="scan")
        self.events: tuple[Event, ...] = ()
        """Folded, by their first time; all of them once ``done``."""
        self.done = False

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, even if not everything is read."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(0.5)

    def until(self, wall_time_ns: int) -> tuple[Event, ...]:
        """Events that began up to a Unix time."""
        return tuple(event for event in self.events if event.wall_time_ns <= wall_time_ns)

    def _run(self) -> None:
        try:
            recording = Recording(self._path)
        except RecordingError:
            return  # It was moved away; the screen has it open and goes on without marks.
        try:
            self._read(recording)
        except RecordingError:
            pass  # What is torn ends the events, as it ends the recording.
        finally:
            recording.close()
        self.done = not self._stop.is_set()

    def _read(self, recording: Recording) -> None:
        log, watcher = EventLog(), Watcher(self._clean)
        before: Snapshot | None = None
        shown: Moment | None = None
        step = -(-len(recording) // MAX_LOOKS)
        for index in range(0, len(recording), step):
            if self._stop.is_set():
                return
            snapshot = recording.snapshot(index)
            moment = watcher.moment(before, snapshot)
            found = events_between(shown, moment) if shown is not None else ()
            before, shown = snapshot, moment
            if found:
                log.extend(found)
                self.events = tuple(sorted(log.shown(), key=lambda event: event.wall_time_ns))
