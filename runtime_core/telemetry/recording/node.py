"""A recording in place of a simulated node: all viewers show it, at the same moment."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from runtime_core.driver.paths import DATASTORE_FILE, NODE_FILE, REPLAY_FILE
from runtime_core.driver.trust import check_directory
from runtime_core.errors import NodeError, NodeNotFoundError
from runtime_core.files import read_regular, write_atomically
from runtime_core.telemetry.owners import UnprovenError
from runtime_core.telemetry.recording.replay import ReplaySource
from runtime_core.telemetry.snapshot import Snapshot

_MAX_BYTES = 64 << 10


class Replay(msgspec.Struct, frozen=True):
    """A replay: the moment ``seek_seconds`` of ``recording`` is shown at ``origin_ns`` (CLOCK_MONOTONIC)."""

    recording: str
    speed: float
    seek_seconds: float
    origin_ns: int


def start_replay(root: Path, recording: Path, *, speed: float, seek_seconds: float) -> None:
    """Make the directory ``root`` a node that shows ``recording`` from now on. An existing replay is replaced.

    Raises:
        NodeError: the directory holds a simulated node, or belongs to another user.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_directory(root)
    if (root / NODE_FILE).exists() or (root / DATASTORE_FILE).exists():
        raise NodeError(
            f"{root} holds a simulated node", mend="take it down with 'neuron-sim down', or set NEURON_SIM_ROOT"
        )
    replay = Replay(str(recording.absolute()), speed, seek_seconds, time.monotonic_ns())
    write_atomically(root / REPLAY_FILE, msgspec.json.encode(replay) + b"\n")


class ReplayedNode:
    """The source of a node that shows a recording. It notices if the replay is replaced or removed."""

    def __init__(self, root: Path) -> None:
        """Create the source; files are opened on first use."""
        self._root = root
        self._identity: tuple[int, int] | None = None
        self._source: ReplaySource | None = None

    @property
    def name(self) -> str:
        """``sim:`` followed by the node directory."""
        return f"sim:{self._root}"

    def snapshot(self, *, host: bool = False) -> Snapshot:
        """Take a snapshot; see :class:`runtime_core.telemetry.source.Source`."""
        return self._open().snapshot(host=host)

    def _open(self) -> ReplaySource:
        path = self._root / REPLAY_FILE
        try:
            found = path.stat()
            identity = found.st_ino, found.st_mtime_ns
            if self._source is not None and identity == self._identity:
                return self._source
            check_directory(self._root)
            replay = msgspec.json.decode(read_regular(path, _MAX_BYTES), type=Replay)
        except FileNotFoundError:
            self.close()
            raise NodeNotFoundError(
                f"the replay in {self._root} has ended",
                mend="start one with 'neuron-sim replay', or a node with 'neuron-sim up'",
            ) from None
        except OSError as error:
            raise NodeError(
                f"cannot be read: {error.strerror}", where=str(path), mend="remove it with 'neuron-sim down'"
            ) from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise NodeError(f"{path} is damaged ({error})", mend="remove it with 'neuron-sim down'") from None
        self.close()
        self._source = ReplaySource(
            Path(replay.recording),
            speed=replay.speed,
            seek_seconds=replay.seek_seconds,
            origin_ns=replay.origin_ns,
        )
        self._identity = identity
        return self._source

    def pin(self, pid: int, start_ns: int) -> int:
        """Refused: see :meth:`runtime_core.telemetry.source.Source.pin`."""
        raise UnprovenError("a recording is shown: its processes may have ended")

    def close(self) -> None:
        """Close the recording."""
        if self._source is not None:
            self._source.close()
            self._source = None
