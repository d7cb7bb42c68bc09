"""The NEFF's payload: a gzipped tar, written the same at every run and read without ever touching the disk."""

from __future__ import annotations

import io
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from runtime_core.status import NeffError, NrtStatus

SIZE_VARIABLE = "NEURON_SIM_NEFF_MAX_BYTES"

_BLOCK = 512
_GZIP_WBITS = 31
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_CHUNK_BYTES = 1 << 20
_SAMPLE_BYTES = 1 << 16


class NeffLimits(NamedTuple):
    """What a NEFF may take, at most.

    Attributes:
        unpacked_bytes: all members together.
        manifest_bytes: the manifest alone.
        members: number of members.
    """

    unpacked_bytes: int = 8 * 1024**3
    manifest_bytes: int = 256 * 1024**2
    members: int = 4096


def default_limits() -> NeffLimits:
    """The limits, with ``$NEURON_SIM_NEFF_MAX_BYTES`` for the size of all members together (default 8 GiB)."""
    text = os.environ.get(SIZE_VARIABLE, "")
    return NeffLimits(unpacked_bytes=int(text)) if text.isascii() and text.isdigit() else NeffLimits()


def _compression_level(content: bytes | memoryview) -> int:
    """Trained weights are noise to gzip: store them; constants and text shrink well."""
    middle = len(content) // 2
    sample = bytes(content[middle : middle + _SAMPLE_BYTES])
    return 1 if len(zlib.compress(sample, 1)) < 0.8 * len(sample) else 0


def pack(members: Iterable[tuple[str, bytes | memoryview]]) -> bytes:
    """Pack members, in their order, into a gzipped tar with no times, owners or modes of this machine in it."""
    out = bytearray(_GZIP_HEADER)
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
            # A deflate stream can be cut at a full flush and go on with another compressor.
            out += packer.flush(zlib.Z_FULL_FLUSH)
            packer = zlib.compressobj(wanted, zlib.DEFLATED, -15)
            level = wanted
        checksum = zlib.crc32(content, checksum)
        size += len(content)
        out += packer.compress(content)
    out += packer.flush(zlib.Z_FINISH)
    out += checksum.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")
    return bytes(out)


class _Inflated(io.RawIOBase):
    """A gzip stream inflated as it is read, never further than asked, and to the limit at the most."""

    def __init__(self, payload: memoryview, limit_bytes: int) -> None:
        super().__init__()
        self._payload = payload
        self._at = 0
        self._inflater = zlib.decompressobj(_GZIP_WBITS)
        self._left = limit_bytes

    def read_exactly(self, size: int) -> bytes:
        """The next ``size`` bytes; fewer only at the end of the stream."""
        out = bytearray()
        while len(out) < size:
            piece = self._inflate(min(size - len(out), 64 * _CHUNK_BYTES))
            if not piece:
                break
            out += piece
        return bytes(out)

    def _inflate(self, size: int) -> bytes:
        inflater = self._inflater
        while not inflater.eof:
            feed = inflater.unconsumed_tail or self._next_input()
            piece = inflater.decompress(feed, size)
            if piece:
                self._left -= len(piece)
                if self._left < 0:
                    raise NeffError(
                        NrtStatus.INVALID,
                        f"the NEFF unpacks to more than the limit: raise {SIZE_VARIABLE} if you trust it",
                    )
                return piece
            if not feed:
                raise NeffError(NrtStatus.INVALID, "the NEFF is truncated: its payload ends in the middle")
        return b""

    def _next_input(self) -> memoryview:
        piece = self._payload[self._at : self._at + _CHUNK_BYTES]
        self._at += len(piece)
        return piece


class _Member(NamedTuple):
    name: str
    size_bytes: int


def _member(block: bytes) -> _Member:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.TarError, ValueError, UnicodeDecodeError) as error:
        raise NeffError(NrtStatus.INVALID, f"the NEFF's archive is malformed: {error}") from None
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
        raise NeffError(
            NrtStatus.INVALID, f"the NEFF's archive holds {info.name!r}, which is a link, device or extension: refused"
        )
    parts = info.name.split("/")
    if info.name.startswith("/") or ".." in parts or "\\" in info.name:
        raise NeffError(NrtStatus.INVALID, f"the NEFF's archive holds the path {info.name!r}, which leads out: refused")
    size = 0 if info.isdir() else info.size
    if size < 0:
        raise NeffError(NrtStatus.INVALID, f"the NEFF's archive member {info.name!r} has a negative size")
    name = info.name.removeprefix("./").rstrip("/")
    return _Member("" if info.isdir() else name, size)


def unpack(payload: memoryview, limits: NeffLimits) -> Iterator[tuple[str, bytes]]:
    """Yield the members in their order, each read only as far as its declared and allowed size.

    Raises:
        NeffError: INVALID for anything that is not a plain, whole gzipped tar within the limits.
    """
    stream = _Inflated(payload, limits.unpacked_bytes)
    seen: set[str] = set()
    try:
        while True:
            block = stream.read_exactly(_BLOCK)
            if not block.strip(b"\0"):
                break
            if len(block) < _BLOCK:
                raise NeffError(NrtStatus.INVALID, "the NEFF is truncated: its archive ends in the middle")
            member = _member(block)
            allowed = limits.manifest_bytes if not seen else limits.unpacked_bytes
            if member.size_bytes > allowed:
                raise NeffError(
                    NrtStatus.INVALID,
                    f"the NEFF's member {member.name!r} declares {member.size_bytes} bytes, {allowed} are allowed: "
                    f"raise {SIZE_VARIABLE} if you trust it",
                )
            content = stream.read_exactly(member.size_bytes)
            if len(content) < member.size_bytes:
                raise NeffError(NrtStatus.INVALID, f"the NEFF is truncated inside {member.name!r}")
            stream.read_exactly(-member.size_bytes % _BLOCK)
            if not member.name:
                continue
            if member.name in seen or len(seen) >= limits.members:
                raise NeffError(
                    NrtStatus.INVALID, f"the NEFF's archive holds {member.name!r} twice or too many members"
                )
            seen.add(member.name)
            yield member.name, content
        # The end of the stream carries the checksum: read up to it, so that a cut tail is noticed.
        while stream.read_exactly(_CHUNK_BYTES):
            pass
    except zlib.error:
        raise NeffError(NrtStatus.INVALID, "the NEFF's payload is no valid gzip: the file is damaged") from None
