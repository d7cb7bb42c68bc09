"""The bytes of a recording: a header, then one frame per snapshot, which is complete or holds differences."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import msgspec

from runtime_core.decoding import prepare
from runtime_core.histogram import BUCKET_COUNT
from runtime_core.telemetry.recording.columns import Columns, Tree

MAGIC = b"NRNREC\r\n"
"""Eight bytes. A transfer in text mode changes the line end, and so is detected."""
FORMAT_VERSION = 1
KEY, DELTA = ord("K"), ord("D")
PREFIX = struct.Struct("<8sII")
"""Magic, format version, size of the header. The header (MessagePack) and a CRC-32 of everything before it follow."""
FRAME = struct.Struct("<BIqI")
"""Kind, size of the payload, Unix time in nanoseconds, CRC-32 of these three and the payload."""
CRC = struct.Struct("<I")

MAX_PAYLOAD_BYTES = 16 << 20
MAX_RECORD_BYTES = 16 << 20
MAX_DELTAS_IN_A_ROW = 10_000
"""To read a snapshot, all differences since the last complete one are applied."""

# A node of 128 runtimes with full model tables has a shape of 3.5 MB with 130,000 containers, 365,000 numbers in 3.5 MB
# and 256 histograms. In memory, one byte of MessagePack can become 64 bytes (an empty array).
_MAX_PART_BYTES = 4 << 20
_MAX_CONTAINERS = 1 << 20
_MAX_HISTOGRAMS = 1024
_MAX_BUCKETS = 1 << 18
"""Of all histograms of a snapshot together."""

_CONTAINER_TAGS = bytes((*range(0x80, 0xA0), 0xDC, 0xDD, 0xDE, 0xDF))
SYNC_TAIL = b"\x00\x00\xff\xff"
"""The end of every zlib sync flush; the file omits it, as RFC 7692 does."""

_BUCKETS_PER_HISTOGRAM = 1 << 16


class TooLargeError(ValueError):
    """A record that needs more memory than the record of any node."""


class Header(msgspec.Struct, frozen=True):
    """Facts about a recording.

    Attributes:
        source: the source that was recorded.
        interval_seconds: time between two snapshots.
        created_ns: Unix time at which it started.
        version: version of the suite that wrote it.
    """

    source: str
    interval_seconds: float
    created_ns: int
    version: str


class KeyRecord(msgspec.Struct, frozen=True, array_like=True):
    """A complete snapshot; ``counts`` holds, for each histogram, each bucket followed by its count."""

    shape: object
    values: list[int]
    counts: list[list[int]]


class DeltaRecord(msgspec.Struct, frozen=True, array_like=True):
    """Differences from the previous snapshot.

    Attributes:
        gaps: distances between the columns that changed; the first is counted from -1.
        changes: the change of each of them.
        bucket_gaps: the same for buckets, which are numbered through all histograms with 65536 places each.
        bucket_changes: the change of each count.
    """

    gaps: list[int]
    changes: list[int]
    bucket_gaps: list[int]
    bucket_changes: list[int]


def key_record(columns: Columns) -> KeyRecord:
    """The record of a complete snapshot."""
    return KeyRecord(
        columns.shape,
        columns.values,
        [[part for pair in counts.items() for part in pair] for counts in columns.histograms],
    )


class _PackedKey(msgspec.Struct, frozen=True, array_like=True):
    shape: msgspec.Raw
    values: msgspec.Raw
    counts: msgspec.Raw


class _PackedDelta(msgspec.Struct, frozen=True, array_like=True):
    gaps: msgspec.Raw
    changes: msgspec.Raw
    bucket_gaps: msgspec.Raw
    bucket_changes: msgspec.Raw


prepare(Header, _PackedKey, _PackedDelta)


def _array_length(packed: bytes) -> int:
    """Number of elements of a MessagePack array, from its first bytes; 0 for another type."""
    tag = packed[0] if packed else 0
    if 0x90 <= tag <= 0x9F:
        return tag & 0x0F
    if tag in (0xDC, 0xDD):
        return int.from_bytes(packed[1 : 3 if tag == 0xDC else 5], "big")
    return 0


def _check_parts(parts: tuple[msgspec.Raw, ...]) -> None:
    if any(len(memoryview(part)) > _MAX_PART_BYTES for part in parts):
        raise TooLargeError(f"a part of a record has more than {_MAX_PART_BYTES} bytes")


def decode_key(packed: bytes) -> KeyRecord:
    """Decode the record of a complete snapshot, within bounds of memory.

    Raises:
        TooLargeError: it needs more memory than the record of any node.
        msgspec.MsgspecError: it is not such a record.
    """
    found = msgspec.msgpack.decode(packed, type=_PackedKey)
    _check_parts(msgspec.structs.astuple(found))
    shape = bytes(found.shape)
    # Bytes inside strings can look like tags, so the count may be too high, but never too low.
    if len(shape) - len(shape.translate(None, _CONTAINER_TAGS)) > _MAX_CONTAINERS:
        raise TooLargeError(f"a shape has more than {_MAX_CONTAINERS} arrays and maps")
    if _array_length(bytes(found.counts)) > _MAX_HISTOGRAMS:
        raise TooLargeError(f"a snapshot has more than {_MAX_HISTOGRAMS} histograms")
    return KeyRecord(
        msgspec.msgpack.decode(shape),
        msgspec.msgpack.decode(found.values, type=list[int]),
        msgspec.msgpack.decode(found.counts, type=list[list[int]]),
    )


def decode_delta(packed: bytes) -> DeltaRecord:
    """Decode a record of differences, within bounds of memory.

    Raises:
        TooLargeError: it needs more memory than the record of any node.
        msgspec.MsgspecError: it is not such a record.
    """
    found = msgspec.msgpack.decode(packed, type=_PackedDelta)
    parts = msgspec.structs.astuple(found)
    _check_parts(parts)
    return DeltaRecord(*(msgspec.msgpack.decode(part, type=list[int]) for part in parts))


def columns_of(record: KeyRecord) -> Columns:
    """The columns of a complete snapshot.

    Raises:
        ValueError: a histogram has a bucket without a count.
    """
    shape: Tree = record.shape  # type: ignore[assignment]  # any MessagePack value is a tree
    histograms: list[Mapping[int, int]] = [dict(zip(flat[::2], flat[1::2], strict=True)) for flat in record.counts]
    return Columns(shape, record.values, histograms)


def delta_record(before: Columns, after: Columns) -> DeltaRecord | None:
    """The differences from ``before`` to ``after``; ``None`` if their shapes differ."""
    if before.shape != after.shape:
        return None
    gaps, changes = [], []
    last = -1
    for place, (old, new) in enumerate(zip(before.values, after.values, strict=True)):
        if old != new:
            gaps.append(place - last)
            changes.append(new - old)
            last = place
    bucket_gaps, bucket_changes = [], []
    last = -1
    for number, (had, has) in enumerate(zip(before.histograms, after.histograms, strict=True)):
        if had == has:
            continue
        for bucket in sorted(had.keys() | has.keys()) if had.keys() - has.keys() else has:
            change = has.get(bucket, 0) - had.get(bucket, 0)
            if change:
                place = number * _BUCKETS_PER_HISTOGRAM + bucket
                bucket_gaps.append(place - last)
                bucket_changes.append(change)
                last = place
    return DeltaRecord(gaps, changes, bucket_gaps, bucket_changes)


def apply(before: Columns, delta: DeltaRecord) -> Columns:
    """The columns after ``delta``.

    Raises:
        ValueError: it names a place that does not exist.
    """
    values = list(before.values)
    place = -1
    for gap, change in zip(delta.gaps, delta.changes, strict=True):
        place += gap
        if not 0 <= place < len(values):
            raise ValueError("a difference names a column that does not exist")
        values[place] += change
    # Unchanged histograms are shared with the columns before.
    histograms: list[Mapping[int, int]] = list(before.histograms)
    copied: dict[int, dict[int, int]] = {}
    place = -1
    for gap, change in zip(delta.bucket_gaps, delta.bucket_changes, strict=True):
        place += gap
        number, bucket = divmod(place, _BUCKETS_PER_HISTOGRAM)
        if not 0 <= number < len(histograms):
            raise ValueError("a difference names a histogram that does not exist")
        if bucket >= BUCKET_COUNT:
            raise ValueError("a difference names a bucket that does not exist")
        if number not in copied:
            histograms[number] = copied[number] = dict(histograms[number])
        changed = copied[number]
        changed[bucket] = changed.get(bucket, 0) + change
    if copied and sum(map(len, histograms)) > _MAX_BUCKETS:
        raise TooLargeError(f"a snapshot has more than {_MAX_BUCKETS} buckets")
    return Columns(before.shape, values, histograms)


def take_back(after: Columns, delta: DeltaRecord) -> Columns:
    """The columns before ``delta``, which resulted in ``after``; a bucket that ``delta`` added keeps a count of 0."""
    back = DeltaRecord(
        delta.gaps, [-change for change in delta.changes], delta.bucket_gaps, [-c for c in delta.bucket_changes]
    )
    return apply(after, back)


def frame(kind: int, time_ns: int, payload: bytes) -> bytes:
    """The bytes of a frame."""
    head = FRAME.pack(kind, len(payload), time_ns, 0)[:-4]
    return head + CRC.pack(zlib.crc32(payload, zlib.crc32(head))) + payload


def frame_is_whole(head: bytes, payload: bytes | memoryview) -> bool:
    """Whether the CRC of a frame matches its bytes."""
    (expected,) = CRC.unpack(head[-4:])
    return bool(zlib.crc32(payload, zlib.crc32(head[:-4])) == expected)
