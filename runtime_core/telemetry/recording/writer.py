"""Write a recording, one frame per snapshot; each frame is complete on the disk or absent."""

from __future__ import annotations

import os
import time
import zlib
from pathlib import Path

import msgspec

from runtime_core import __version__
from runtime_core.errors import NeuronError
from runtime_core.telemetry.recording import frames
from runtime_core.telemetry.recording.columns import Columns, take_apart
from runtime_core.telemetry.snapshot import Snapshot

KEY_EVERY = 300
"""Snapshots per complete snapshot: a reader may have to read that many records to show one snapshot."""
_LEVEL = 9


class RecordingWriter:
    """A new recording. If the process dies while it writes, only the last frame can be incomplete."""

    def __init__(self, path: Path, *, source: str, interval_seconds: float, overwrite: bool = False) -> None:
        """Create the file, with permissions for its owner only.

        Args:
            path: the file, which must not exist.
            source: name of the source that is recorded.
            interval_seconds: time between two snapshots.
            overwrite: replace an existing file.

        Raises:
            NeuronError: it exists, or cannot be created.
        """
        try:
            # A new file instead of a truncated old one, because readers may have the old one mapped.
            if overwrite and path.is_file():
                path.unlink()
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            replaceable = path.is_file() and not overwrite
            raise NeuronError(
                f"{path} exists already" if replaceable else f"{path} exists and is not a regular file",
                mend="choose another file, or add --overwrite" if replaceable else "choose another file",
            ) from None
        except OSError as error:
            raise NeuronError(f"{path} cannot be written: {error.strerror}") from None
        self._path = path
        self._before: Columns | None = None
        self._compressor = zlib.compressobj(_LEVEL)
        self._since_key = 0
        self.snapshots = 0
        self.bytes_written = 0
        header = msgspec.msgpack.encode(frames.Header(source, interval_seconds, time.time_ns(), __version__))
        prefix = frames.PREFIX.pack(frames.MAGIC, frames.FORMAT_VERSION, len(header))
        self._append(prefix + header + frames.CRC.pack(zlib.crc32(prefix + header)))

    def _append(self, data: bytes) -> None:
        try:
            written = os.write(self._fd, data)
            if written < len(data):
                os.ftruncate(self._fd, self.bytes_written)
                raise OSError(0, "no space on the disk")
        except OSError as error:
            raise NeuronError(f"{self._path} cannot be written: {error.strerror}") from None
        self.bytes_written += written

    def add(self, snapshot: Snapshot) -> None:
        """Append a snapshot.

        Raises:
            NeuronError: it cannot be written.
        """
        columns = take_apart(snapshot)
        delta = None
        if self._before is not None and self._since_key < KEY_EVERY:
            delta = frames.delta_record(self._before, columns)
        data = b""
        if delta is not None:
            try:
                data = msgspec.msgpack.encode(delta)
            except OverflowError:
                # A difference does not fit in 64 bits, but the numbers themselves do.
                delta = None
        if delta is None:
            data = msgspec.msgpack.encode(frames.key_record(columns))
            self._compressor = zlib.compressobj(_LEVEL)
            self._since_key = 0
        payload = self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
        kind = frames.KEY if delta is None else frames.DELTA
        self._append(frames.frame(kind, snapshot.wall_time_ns, payload.removesuffix(frames.SYNC_TAIL)))
        self._before = columns
        self._since_key += 1
        self.snapshots += 1

    def close(self) -> None:
        """Write everything to the disk and close the file."""
        if self._fd >= 0:
            os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1
