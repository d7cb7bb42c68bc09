"""A source that replays a recording, at the recorded speed or at another."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from runtime_core.errors import NodeNotFoundError
from runtime_core.telemetry.owners import UnprovenError
from runtime_core.telemetry.recording.reader import Recording
from runtime_core.telemetry.snapshot import Snapshot

_MAX_WAIT_SECONDS = 2.0


class ReplaySource:
    """Shows the snapshots of a recording as time passes.

    No snapshot is shown twice in a row: the source waits up to two seconds for the next one. A reader with the period
    of the recording therefore sees each interval once, and no interval of length zero.
    """

    def __init__(
        self,
        path: Path,
        *,
        speed: float = 1.0,
        seek_seconds: float = 0.0,
        origin_ns: int | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start to replay.

        Args:
            path: the recording.
            speed: recorded seconds per second.
            seek_seconds: where to start in the recording.
            origin_ns: CLOCK_MONOTONIC time at which that moment is shown; default: now.
            clock_ns: returns CLOCK_MONOTONIC.
            sleep: waits for a number of seconds.

        Raises:
            RecordingError: the file is not a recording.
        """
        self.recording = Recording(path)
        self._speed = speed
        self._from_ns = self.recording.times_ns[0] + round(seek_seconds * 1e9)
        self._clock_ns = clock_ns
        self._sleep = sleep
        self._origin_ns = clock_ns() if origin_ns is None else origin_ns
        self._shown = -1

    @property
    def name(self) -> str:
        """``replay:`` followed by the file."""
        return f"replay:{self.recording.path}"

    def _now_ns(self) -> int:
        """The recorded time that is shown now."""
        return self._from_ns + round((self._clock_ns() - self._origin_ns) * self._speed)

    def snapshot(self, *, host: bool = False) -> Snapshot:
        """The snapshot of this moment; see :class:`runtime_core.telemetry.source.Source`.

        Raises:
            NodeNotFoundError: the recording has ended.
        """
        times_ns = self.recording.times_ns
        index = self.recording.index_at(self._now_ns())
        if index == self._shown and index + 1 < len(times_ns):
            wait_seconds = (times_ns[index + 1] - self._now_ns()) / 1e9 / self._speed
            if 0 < wait_seconds <= _MAX_WAIT_SECONDS:
                self._sleep(wait_seconds)
                index = self.recording.index_at(max(self._now_ns(), times_ns[index + 1]))
        interval_ns = round(self.recording.header.interval_seconds * 1e9)
        if self._now_ns() > times_ns[-1] + max(interval_ns, round(self._speed * 1e9)):
            raise NodeNotFoundError(
                f"the recording {self.recording.path} has ended", mend="replay it again with 'neuron-sim replay'"
            )
        self._shown = index
        found = self.recording.snapshot(index)._replace(source=self.name)
        return found if host else found._replace(host=None)

    def seek(self, seconds: float) -> None:
        """Move by ``seconds`` from the moment that is shown now, forwards or (if negative) backwards."""
        self.go_to(min(self._now_ns(), self.recording.times_ns[-1]) + round(seconds * 1e9))

    def go_to(self, time_ns: int) -> None:
        """Show the moment of a Unix time, or the start or the end of the recording if the time is outside it."""
        times_ns = self.recording.times_ns
        # Assigned together, because another thread may read them meanwhile.
        self._from_ns, self._origin_ns = max(times_ns[0], min(time_ns, times_ns[-1])), self._clock_ns()
        self._shown = -1

    @property
    def at_end(self) -> bool:
        """Whether the last snapshot was shown."""
        times_ns = self.recording.times_ns
        return self._shown == len(times_ns) - 1 and self._now_ns() >= times_ns[-1]

    def preceding(self) -> Snapshot | None:
        """The snapshot before the one shown last, with the host's figures; ``None`` if the first was shown last."""
        index = self._shown - 1
        return self.recording.snapshot(index)._replace(source=self.name) if index >= 0 else None

    def pin(self, pid: int, start_ns: int) -> int:
        """Refused: see :meth:`runtime_core.telemetry.source.Source.pin`."""
        raise UnprovenError("a recording is shown: its processes may have ended")

    def close(self) -> None:
        """Close the file."""
        self.recording.close()
