"""The NEFF's payload: a gzipped tar, written reproducibly and read without touching the disk."""

from __future__ import annotations

import os
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from runtime_core.status import NeffError, NrtStatus

SIZE_VARIABLE = "NEURON_SIM_NEFF_MAX_BYTES"

_BLOCK = 512
_GZIP_WBITS = 31
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_CHUNK_BYTES = 1 << 20
# zlib copies its unused input at every call: feed it small pieces.
_FEED_BYTES = 1 << 16
_SAMPLE_BYTES = 1 << 16
_MAX_RATIO = 1040
"""Deflate makes at most 1032 bytes from one."""
_WORTH_COMPRESSING = 0.5
# Tar pads to its record size, by default 10 KiB.
_MAX_TAIL_BYTES = 1 << 20
_MAX_LIMIT_DIGITS = 18


class NeffLimits(NamedTuple):
    """Limits on the size of a NEFF.

    Attributes:
        payload_bytes: the file without its header; default: the size of ``unpacked_bytes`` stored uncompressed.
        unpacked_bytes: all members together.
        manifest_bytes: the manifest alone; decoded it takes up to 15 times as much memory.
        members: number of entries of the archive, directories included.
    """

    payload_bytes: int = 8 * 1024**3 + 33 * 1024**2
    unpacked_bytes: int = 8 * 1024**3
    manifest_bytes: int = 64 * 1024**2
    members: int = 4096


def default_limits() -> NeffLimits:
    """The limits, with ``$NEURON_SIM_NEFF_MAX_BYTES`` for the size of all members together (default 8 GiB).

    Raises:
        NeffError: INVALID, when the variable is not a number of bytes.
    """
    text = os.environ.get(SIZE_VARIABLE, "").strip()
    if not text:
        return NeffLimits()
    if not (text.isascii() and text.isdigit()) or len(text) > _MAX_LIMIT_DIGITS or int(text) == 0:
        raise NeffError(
            NrtStatus.INVALID,
            f"expected a number of bytes, not {text[:40]!r}",
            where=SIZE_VARIABLE,
            mend="use for example 8589934592",
        )
    size_bytes = int(text)
    return NeffLimits(
        # A stored block of gzip has 5 bytes around it, every member of tar up to two blocks.
        payload_bytes=size_bytes + size_bytes // 256 + _CHUNK_BYTES,
        unpacked_bytes=size_bytes,
        manifest_bytes=min(size_bytes, NeffLimits().manifest_bytes),
    )


def _compression_level(content: bytes | memoryview) -> int:
    """Trained weights hardly compress: gzip takes seconds to save a fifth, so store them."""
    middle = len(content) // 2
    sample = bytes(content[middle : middle + _SAMPLE_BYTES])
    return 1 if len(zlib.compress(sample, 1)) < _WORTH_COMPRESSING * len(sample) else 0


def pack(members: Iterable[tuple[str, bytes | memoryview]]) -> list[bytes]:
    """Pack members, in their order, into a gzipped tar without times, owners or modes of this machine.

    Returns:
        The payload in pieces: joining them would need twice the memory.
    """
    out = [_GZIP_HEADER]
    checksum, size = 0, 0
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    pieces: list[tuple[bytes | memoryview, int]] = []
    for name, content in members:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        info.mode = 0o644
        pieces.append((info.tobuf(tarfile.USTAR_FORMAT), 1))
        pieces.append((content, _compression_level(content) if content else 1))
        pieces.append((bytes(-len(content) % _BLOCK), 1))
    pieces.append((bytes(2 * _BLOCK), 1))
    level = 1
    for content, wanted in pieces:
        if wanted != level:
            # A deflate stream can be cut at a full flush and continued by another compressor.
            out.append(packer.flush(zlib.Z_FULL_FLUSH))
            packer = zlib.compressobj(wanted, zlib.DEFLATED, -15)
            level = wanted
        checksum = zlib.crc32(content, checksum)
        size += len(content)
        out.append(packer.compress(content))
    out.append(packer.flush(zlib.Z_FINISH))
    out.append(checksum.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little"))
    return out


def _invalid(message: str) -> NeffError:
    return NeffError(NrtStatus.INVALID, message)


class _Inflated:
    """A gzip stream, inflated only as far as it is read, and at most to the limit."""

    def __init__(self, payload: memoryview, limit_bytes: int) -> None:
        self._payload = payload
        self._at = 0
        self._inflater = zlib.decompressobj(_GZIP_WBITS)
        self._left = limit_bytes

    def read_exactly(self, size: int) -> bytes:
        """The next ``size`` bytes; fewer only at the end of the stream."""
        piece = self._inflate(size) if size else b""
        if len(piece) == size:
            return piece
        out = bytearray(piece)
        while piece and len(out) < size:
            piece = self._inflate(size - len(out))
            out += piece
        return bytes(out)

    def read_view(self, size: int) -> memoryview:
        """The next ``size`` bytes, in memory that is taken once; fewer only at the end of the stream."""
        waiting = len(self._inflater.unconsumed_tail) + len(self._payload) - self._at
        # Not more than what is left can inflate to, whatever the archive declares.
        out = memoryview(bytearray(min(size, _MAX_RATIO * waiting + _CHUNK_BYTES)))
        filled = 0
        while filled < len(out):
            piece = self._inflate(len(out) - filled)
            if not piece:
                break
            out[filled : filled + len(piece)] = piece
            filled += len(piece)
        return out[:filled].toreadonly()

    def skip(self, size: int) -> int:
        """Read and drop ``size`` bytes; returns the number of bytes read."""
        skipped = 0
        while skipped < size:
            piece = self._inflate(size - skipped)
            if not piece:
                break
            skipped += len(piece)
        return skipped

    @property
    def leftover_bytes(self) -> int:
        """Bytes of the payload after the end of the stream."""
        return len(self._inflater.unused_data) + len(self._payload) - self._at

    def _inflate(self, size: int) -> bytes:
        inflater = self._inflater
        while not inflater.eof:
            feed = inflater.unconsumed_tail or self._next_input()
            try:
                piece = inflater.decompress(feed, min(size, _CHUNK_BYTES))
            except zlib.error:
                raise _invalid("the NEFF's payload is not valid gzip: the file is damaged") from None
            if piece:
                self._left -= len(piece)
                if self._left < 0:
                    raise _invalid(f"the NEFF unpacks to more than the limit: raise {SIZE_VARIABLE} if you trust it")
                return piece
            if not feed:
                raise _invalid("the NEFF is truncated: its payload ends in the middle")
        return b""

    def _next_input(self) -> memoryview:
        piece = self._payload[self._at : self._at + _FEED_BYTES]
        self._at += len(piece)
        return piece


class Member(NamedTuple):
    """A file of the archive.

    Attributes:
        name: its path, with ``/``.
        size_bytes: as the archive declares it.
        read: inflates the content; call it before the next member is requested, or not at all.
    """

    name: str
    size_bytes: int
    read: Callable[[], memoryview]


_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)
_EXTENSIONS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


class _Entry(NamedTuple):
    name: str
    size_bytes: int
    is_file: bool


def _entry(block: bytes, skip_extensions: bool) -> _Entry:
    """Parse a tar header block."""
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.TarError, ValueError) as error:
        raise _invalid(f"the NEFF's archive is malformed: {error}") from None
    if info.size < 0:
        raise _invalid(f"the NEFF's archive member {info.name!r} has a negative size")
    if skip_extensions and info.type in _EXTENSIONS:
        return _Entry("", info.size, False)
    if info.type == tarfile.DIRTYPE:
        return _Entry(info.name, 0, False)
    if info.type not in _FILES:
        raise _invalid(f"the NEFF's archive holds {info.name!r}, which is a link, device or extension: refused")
    if info.name.startswith("/") or ".." in info.name.split("/") or "\\" in info.name:
        raise _invalid(f"the NEFF's archive holds the path {info.name!r}, which leads out: refused")
    name = info.name.removeprefix("./")
    if not name:
        raise _invalid("the NEFF's archive holds a file without a name")
    return _Entry(name, info.size, True)


def _entries(stream: _Inflated, limits: NeffLimits, skip_extensions: bool) -> Iterator[Member]:
    seen: set[str] = set()
    for _ in range(limits.members + 1):
        block = stream.read_exactly(_BLOCK)
        if not block.strip(b"\0"):
            return
        if len(block) < _BLOCK:
            raise _invalid("the NEFF is truncated: its archive ends in the middle")
        entry = _entry(block, skip_extensions)
        left = entry.size_bytes

        def read(entry: _Entry = entry) -> memoryview:
            nonlocal left
            content = stream.read_view(entry.size_bytes)
            left -= len(content)
            if left:
                raise _invalid(f"the NEFF is truncated inside {entry.name!r}")
            return content

        if entry.is_file:
            if entry.name in seen:
                raise _invalid(f"the NEFF's archive holds {entry.name!r} twice")
            seen.add(entry.name)
            yield Member(entry.name, entry.size_bytes, read)
        stream.skip(left + -entry.size_bytes % _BLOCK)
    raise _invalid(f"the NEFF's archive holds more than {limits.members} members")


def unpack(payload: memoryview, limits: NeffLimits, *, skip_extensions: bool = False) -> Iterator[Member]:
    """Yield the members in their order; their content is inflated only when it is read.

    Args:
        payload: the gzipped tar.
        limits: size limits.
        skip_extensions: skip the extension entries of other tar programs; by default they are refused.

    Raises:
        NeffError: INVALID for anything that is not a plain, whole gzipped tar within the limits.
    """
    stream = _Inflated(payload, limits.unpacked_bytes)
    yield from _entries(stream, limits, skip_extensions)
    # The checksum is at the end of the stream: read up to it, to detect a cut tail.
    if stream.skip(_MAX_TAIL_BYTES + 1) > _MAX_TAIL_BYTES or stream.leftover_bytes:
        raise _invalid("the NEFF's payload continues after the end of its archive: the file is damaged")
