"""Read a recording: its times, and each of its snapshots. No content of the file is trusted."""

from __future__ import annotations

import bisect
import mmap
import os
import zlib
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from runtime_core.errors import NeuronError
from runtime_core.files import open_regular
from runtime_core.telemetry.recording import frames
from runtime_core.telemetry.recording.columns import Columns, Template
from runtime_core.telemetry.snapshot import Snapshot

_MAX_HEADER_BYTES = 1 << 20
_MAX_KEPT_BYTES = 32 << 20
"""Size of the records that are kept for steps backwards. The differences between two complete snapshots need a tenth
of it."""


class RecordingError(NeuronError):
    """A file that is not a recording, or is damaged."""


class _Frame(NamedTuple):
    kind: int
    offset: int
    size_bytes: int
    time_ns: int


class _Frames:
    """The location of each frame. It needs 21 bytes of memory per frame, and each frame has at least 21 in the file."""

    def __init__(self) -> None:
        self.kinds = bytearray()
        self.offsets = array("q")
        self.sizes_bytes = array("I")
        self.times_ns = array("q")

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, index: int) -> _Frame:
        return _Frame(self.kinds[index], self.offsets[index], self.sizes_bytes[index], self.times_ns[index])

    def add(self, kind: int, offset: int, size_bytes: int, time_ns: int) -> None:
        self.kinds.append(kind)
        self.offsets.append(offset)
        self.sizes_bytes.append(size_bytes)
        self.times_ns.append(time_ns)


class _Position:
    """The frame that was read last, and the records near it that the next step may need.

    Attributes:
        key: frame of the complete snapshot at which reading started.
        frame: the current frame.
        columns: the columns of ``frame``.
        decompressor: its state after the last record that was read.
        first: the frame before the first record that is kept.
        records: the records of the frames after ``first``, at least up to ``frame``.
    """

    def __init__(self, frame: int, columns: Columns, decompressor: zlib._Decompress) -> None:
        self.frame = self.first = self.key = frame
        self.columns = columns
        self.decompressor = decompressor
        self.records: list[bytes] = []
        self._kept_bytes = 0

    def keep(self, record: bytes) -> None:
        """Keep the next record. The records before it are dropped if they need too much memory."""
        self._kept_bytes += len(record)
        if self._kept_bytes > _MAX_KEPT_BYTES:
            self.first += len(self.records)
            self.records.clear()
            self._kept_bytes = len(record)
        self.records.append(record)

    def delta(self, frame: int) -> frames.DeltaRecord:
        """The differences between ``frame`` and the frame before it."""
        return frames.decode_delta(self.records[frame - self.first - 1])


class Recording:
    """An open recording.

    Attributes:
        path: the file.
        header: facts about the recording.
        times_ns: Unix time of each snapshot, in ascending order.
        damage: a description of the part that cannot be read; "": everything can be read.
    """

    def __init__(self, path: Path) -> None:
        """Open the file and find its frames.

        Raises:
            RecordingError: the file cannot be read, is not a recording, has another version, or has no snapshot.
        """
        self.path = path
        self.damage = ""
        # Both are set to None while they are in use; another thread then starts from a complete snapshot.
        self._position: _Position | None = None
        self._template: Template | None = None
        try:
            fd = open_regular(path)
            try:
                size = os.fstat(fd).st_size
                if not size:
                    raise RecordingError(f"{path} is empty, not a recording")
                self._data: mmap.mmap | bytes = mmap.mmap(fd, size, access=mmap.ACCESS_READ)
            finally:
                os.close(fd)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise RecordingError(f"{path} cannot be read: {reason}") from None
        self.header, start = self._read_header()
        self._frames = self._scan(start)
        if not self._frames:
            raise RecordingError(f"{path} has no complete snapshot: {self.damage or 'the recording has just started'}")
        self.times_ns: Sequence[int] = self._frames.times_ns

    def _read_header(self) -> tuple[frames.Header, int]:
        data, path = self._data, self.path
        if len(data) < frames.PREFIX.size or data[:8] != frames.MAGIC:
            raise RecordingError(f"{path} is not a recording by neuron-sim record")
        _, version, length = frames.PREFIX.unpack_from(data)
        if version != frames.FORMAT_VERSION:
            raise RecordingError(
                f"{path} has recording format {version}, this version reads {frames.FORMAT_VERSION}",
                mend="update the suite",
            )
        end = frames.PREFIX.size + length
        if length > _MAX_HEADER_BYTES or len(data) < end + frames.CRC.size:
            raise RecordingError(f"{path} ends within its header")
        (expected,) = frames.CRC.unpack_from(data, end)
        try:
            if zlib.crc32(data[:end]) != expected:
                raise ValueError("CRC")
            header = msgspec.msgpack.decode(data[frames.PREFIX.size : end], type=frames.Header)
        except (ValueError, msgspec.MsgspecError, RecursionError):
            raise RecordingError(f"{path} has a damaged header") from None
        return header, end + frames.CRC.size

    def _scan(self, offset: int) -> _Frames:
        """Find the frames, up to the first one that is incomplete or damaged."""
        found = _Frames()
        data = self._data
        in_a_row = 0
        while offset < len(data):
            head = data[offset : offset + frames.FRAME.size]
            if len(head) < frames.FRAME.size:
                self.damage = f"its last frame is incomplete at byte {offset}"
                break
            kind, size, time_ns, _ = frames.FRAME.unpack(head)
            start = offset + frames.FRAME.size
            if size > frames.MAX_PAYLOAD_BYTES or start + size > len(data):
                self.damage = f"its last frame is incomplete at byte {offset}"
                break
            in_a_row = 0 if kind == frames.KEY else in_a_row + 1
            in_order = not found or time_ns >= found.times_ns[-1]
            usable = kind == frames.KEY or (kind == frames.DELTA and len(found) > 0)
            usable = usable and in_a_row <= frames.MAX_DELTAS_IN_A_ROW
            if not (in_order and usable and frames.frame_is_whole(head, data[start : start + size])):
                self.damage = f"it is damaged at byte {offset}"
                break
            found.add(kind, start, size, time_ns)
            offset = start + size
        return found

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def seconds(self) -> float:
        """Time from the first snapshot to the last."""
        return (self.times_ns[-1] - self.times_ns[0]) / 1e9

    def index_at(self, time_ns: int) -> int:
        """The number of the last snapshot at or before a Unix time; 0 if there is none."""
        return max(0, bisect.bisect_right(self.times_ns, time_ns) - 1)

    def snapshot(self, index: int) -> Snapshot:
        """Return a snapshot by its number.

        Raises:
            IndexError: the number is out of range.
            RecordingError: its frame is complete but is not a snapshot.
        """
        if not 0 <= index < len(self._frames):
            raise IndexError(index)
        try:
            return self._put_together(self._columns(index))
        except (ValueError, TypeError, msgspec.MsgspecError, zlib.error, OverflowError, RecursionError) as error:
            raise RecordingError(f"snapshot {index} cannot be read: {error}", where=str(self.path)) from None

    def _put_together(self, columns: Columns) -> Snapshot:
        template, self._template = self._template, None
        if template is None or template.shape is not columns.shape:
            template = Template(columns.shape)
        found = template.snapshot(columns)
        self._template = template
        return found

    def _columns(self, index: int) -> Columns:
        key = index
        while self._frames.kinds[key] != frames.KEY:
            key -= 1
        position = self._position
        # If this fails, the position must not be used again.
        self._position = None
        if position is None or position.key != key or index < position.first:
            decompressor = zlib.decompressobj()
            record = frames.decode_key(self._payload(key, decompressor))
            position = _Position(key, frames.columns_of(record), decompressor)
        while position.frame > index:
            position.columns = frames.take_back(position.columns, position.delta(position.frame))
            position.frame -= 1
        while position.frame < index:
            if position.frame - position.first == len(position.records):
                position.keep(self._payload(position.frame + 1, position.decompressor))
            position.columns = frames.apply(position.columns, position.delta(position.frame + 1))
            position.frame += 1
        self._position = position
        return position.columns

    def _payload(self, index: int, decompressor: zlib._Decompress) -> bytes:
        here = self._frames[index]
        packed = self._data[here.offset : here.offset + here.size_bytes] + frames.SYNC_TAIL
        record = decompressor.decompress(packed, frames.MAX_RECORD_BYTES)
        if decompressor.unconsumed_tail:
            raise frames.TooLargeError(f"a record has more than {frames.MAX_RECORD_BYTES} bytes")
        return record

    def close(self) -> None:
        """Close the file."""
        if isinstance(self._data, mmap.mmap):
            self._data.close()
