"""The bytes of a recording: a header, then frames that each hold one snapshot, whole or as differences."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import msgspec

from runtime_core.histogram import BUCKET_COUNT
from runtime_core.telemetry.recording.columns import Columns, Tree

MAGIC = b"NRNREC\r\n"
"""Eight bytes; the line end shows what a transfer in text mode has broken."""
FORMAT_VERSION = 1
KEY, DELTA = ord("K"), ord("D")
PREFIX = struct.Struct("<8sII")
"""Magic, format version, bytes of the header that follows (MessagePack), then its CRC-32."""
FRAME = struct.Struct("<BIqI")
"""Kind, bytes of the payload, Unix time in nanoseconds, CRC-32 of the three and the payload."""
CRC = struct.Struct("<I")

MAX_PAYLOAD_BYTES = 16 << 20
MAX_RECORD_BYTES = 16 << 20
MAX_DELTAS_IN_A_ROW = 10_000
"""A snapshot is put together from all differences since the last whole one."""

# A node of 128 runtimes with full model tables has a shape of 3.5 MB with 130,000 containers, 365,000 numbers in 3.5 MB
# and 256 histograms. In memory a byte of MessagePack can become 64: an empty array.
_MAX_PART_BYTES = 4 << 20
_MAX_CONTAINERS = 1 << 20
_MAX_HISTOGRAMS = 1024
_MAX_BUCKETS = 1 << 18
"""In all histograms of a snapshot."""

_CONTAINER_TAGS = bytes((*range(0x80, 0xA0), 0xDC, 0xDD, 0xDE, 0xDF))
SYNC_TAIL = b"\x00\x00\xff\xff"
"""What a zlib sync flush ends with; it is left out of the file, as in RFC 7692."""

_BUCKETS_A_HISTOGRAM = 1 << 16


class TooLargeError(ValueError):
    """A record that would take more memory than a node of any size needs."""


class Header(msgspec.Struct, frozen=True):
    """What a recording is of.

    Attributes:
        source: where it was read.
        interval_seconds: between two snapshots.
        created_ns: Unix time.
        version: of the suite that wrote it.
    """

    source: str
    interval_seconds: float
    created_ns: int
    version: str


class KeyRecord(msgspec.Struct, frozen=True, array_like=True):
    """A whole snapshot; ``counts`` is for each histogram buckets and counts in turn."""

    shape: object
    values: list[int]
    counts: list[list[int]]


class DeltaRecord(msgspec.Struct, frozen=True, array_like=True):
    """Differences from the snapshot before.

    Attributes:
        gaps: distances between the columns that changed, the first from -1.
        changes: by how much each changed.
        bucket_gaps: the same of the buckets, all histograms in a row of 65536 places each.
        bucket_changes: by how much each count changed.
    """

    gaps: list[int]
    changes: list[int]
    bucket_gaps: list[int]
    bucket_changes: list[int]


def key_record(columns: Columns) -> KeyRecord:
    """The whole of ``columns``."""
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


def _array_length(packed: bytes) -> int:
    """Elements of a MessagePack array, by its first bytes; 0 for what is not one."""
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
    """A whole snapshot's record, of bounded size in memory.

    Raises:
        TooLargeError: it would take more memory than any node needs.
        msgspec.MsgspecError: it is not one.
    """
    found = msgspec.msgpack.decode(packed, type=_PackedKey)
    _check_parts(msgspec.structs.astuple(found))
    shape = bytes(found.shape)
    # Bytes inside strings can look like tags too: this counts too many rather than too few.
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
    """A record of differences, of bounded size in memory.

    Raises:
        TooLargeError: it would take more memory than any node needs.
        msgspec.MsgspecError: it is not one.
    """
    found = msgspec.msgpack.decode(packed, type=_PackedDelta)
    parts = msgspec.structs.astuple(found)
    _check_parts(parts)
    return DeltaRecord(*(msgspec.msgpack.decode(part, type=list[int]) for part in parts))


def columns_of(record: KeyRecord) -> Columns:
    """The columns of a whole snapshot.

    Raises:
        ValueError: a histogram has a bucket without a count.
    """
    shape: Tree = record.shape  # type: ignore[assignment]  # whatever MessagePack can hold is a tree
    histograms: list[Mapping[int, int]] = [dict(zip(flat[::2], flat[1::2], strict=True)) for flat in record.counts]
    return Columns(shape, record.values, histograms)


def delta_record(before: Columns, after: Columns) -> DeltaRecord | None:
    """From ``before`` to ``after``; ``None`` when their shapes differ."""
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
                place = number * _BUCKETS_A_HISTOGRAM + bucket
                bucket_gaps.append(place - last)
                bucket_changes.append(change)
                last = place
    return DeltaRecord(gaps, changes, bucket_gaps, bucket_changes)


def apply(before: Columns, delta: DeltaRecord) -> Columns:
    """The columns after ``delta``.

    Raises:
        ValueError: it names a place that is not there.
    """
    values = list(before.values)
    place = -1
    for gap, change in zip(delta.gaps, delta.changes, strict=True):
        place += gap
        if not 0 <= place < len(values):
            raise ValueError("a difference names a column that is not there")
        values[place] += change
    # Those that stay as they are, are shared with the columns before.
    histograms: list[Mapping[int, int]] = list(before.histograms)
    copied: dict[int, dict[int, int]] = {}
    place = -1
    for gap, change in zip(delta.bucket_gaps, delta.bucket_changes, strict=True):
        place += gap
        number, bucket = divmod(place, _BUCKETS_A_HISTOGRAM)
        if not 0 <= number < len(histograms):
            raise ValueError("a difference names a histogram that is not there")
        if bucket >= BUCKET_COUNT:
            raise ValueError("a difference names a bucket that is not there")
        if number not in copied:
            histograms[number] = copied[number] = dict(histograms[number])
        changed = copied[number]
        changed[bucket] = changed.get(bucket, 0) + change
    if copied and sum(map(len, histograms)) > _MAX_BUCKETS:
        raise TooLargeError(f"a snapshot has more than {_MAX_BUCKETS} buckets")
    return Columns(before.shape, values, histograms)


def take_back(after: Columns, delta: DeltaRecord) -> Columns:
    """The columns before ``delta``, which led to ``after``; a bucket that was not there has the count 0."""
    back = DeltaRecord(
        delta.gaps, [-change for change in delta.changes], delta.bucket_gaps, [-c for c in delta.bucket_changes]
    )
    return apply(after, back)


def frame(kind: int, time_ns: int, payload: bytes) -> bytes:
    """The bytes of a frame."""
    head = FRAME.pack(kind, len(payload), time_ns, 0)[:-4]
    return head + CRC.pack(zlib.crc32(payload, zlib.crc32(head))) + payload


def frame_is_whole(head: bytes, payload: bytes | memoryview) -> bool:
    """Whether the CRC of a frame is that of its bytes."""
    (expected,) = CRC.unpack(head[-4:])
    return bool(zlib.crc32(payload, zlib.crc32(head[:-4])) == expected)
