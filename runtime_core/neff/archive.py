"""The NEFF's payload: a gzipped tar that is written reproducibly and read without unpacking to the disk."""

from __future__ import annotations

import os
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from runtime_core.neff.content import Content
from runtime_core.neff.inflate import CHUNK_BYTES, SIZE_VARIABLE, Inflated, invalid
from runtime_core.status import NeffError, NrtStatus

_BLOCK = 512
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_SAMPLE_BYTES = 1 << 16
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
        payload_bytes=size_bytes + size_bytes // 256 + CHUNK_BYTES,
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
        The payload in pieces, because joining them would need twice the memory.
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


class Member(NamedTuple):
    """A file of the archive.

    Attributes:
        name: its path, with ``/``.
        size_bytes: as the archive declares it.
        read: inflates the content; call it before the next member is requested, or not at all.
    """

    name: str
    size_bytes: int
    read: Callable[[], memoryview | Content]


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
        raise invalid(f"the NEFF's archive is malformed: {error}") from None
    if info.size < 0:
        raise invalid(f"the NEFF's archive member {info.name!r} has a negative size")
    if skip_extensions and info.type in _EXTENSIONS:
        return _Entry("", info.size, False)
    if info.type == tarfile.DIRTYPE:
        return _Entry(info.name, 0, False)
    if info.type not in _FILES:
        raise invalid(f"the NEFF's archive holds {info.name!r}, which is a link, device or extension: refused")
    if info.name.startswith("/") or ".." in info.name.split("/") or "\\" in info.name:
        raise invalid(f"the NEFF's archive holds the path {info.name!r}, which leads out: refused")
    name = info.name.removeprefix("./")
    if not name:
        raise invalid("the NEFF's archive holds a file without a name")
    return _Entry(name, info.size, True)


def _entries(stream: Inflated, limits: NeffLimits, skip_extensions: bool) -> Iterator[Member]:
    seen: set[str] = set()
    for _ in range(limits.members + 1):
        block = stream.read_exactly(_BLOCK)
        if not block.strip(b"\0"):
            return
        if len(block) < _BLOCK:
            raise invalid("the NEFF is truncated: its archive ends in the middle")
        entry = _entry(block, skip_extensions)
        left = entry.size_bytes

        def read(entry: _Entry = entry) -> memoryview | Content:
            nonlocal left
            content = stream.read_content(entry.size_bytes)
            left -= len(content)
            if left:
                raise invalid(f"the NEFF is truncated inside {entry.name!r}")
            return content

        if entry.is_file:
            if entry.name in seen:
                raise invalid(f"the NEFF's archive holds {entry.name!r} twice")
            seen.add(entry.name)
            yield Member(entry.name, entry.size_bytes, read)
        stream.skip(left + -entry.size_bytes % _BLOCK)
    raise invalid(f"the NEFF's archive holds more than {limits.members} members")


def unpack(payload: memoryview, limits: NeffLimits, *, skip_extensions: bool = False) -> Iterator[Member]:
    """Yield the members in their order; their content is inflated only when it is read.

    Args:
        payload: the gzipped tar.
        limits: size limits.
        skip_extensions: skip the extension entries of other tar programs; by default they are refused.

    Raises:
        NeffError: INVALID for anything except a plain, complete gzipped tar within the limits.
    """
    stream = Inflated(payload, limits.unpacked_bytes)
    yield from _entries(stream, limits, skip_extensions)
    # The checksum is at the end of the stream: read up to it, to detect a cut tail.
    if stream.skip(_MAX_TAIL_BYTES + 1) > _MAX_TAIL_BYTES or stream.leftover_bytes:
        raise invalid("the NEFF's payload continues after the end of its archive: the file is damaged")
