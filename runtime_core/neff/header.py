"""The NEFF header: 1024 bytes, little endian (``contracts/runtime.md``)."""

from __future__ import annotations

import enum
import struct
from typing import NamedTuple

from runtime_core.status import NeffError, NrtStatus

HEADER_BYTES = 1024
MAX_LISTED_NODES = 64
"""Number of nodes whose cores fit in the header."""
SUPPORTED_MAJORS = (1, 2)
"""NEFF major versions that this runtime reads, with any minor version."""

# <: packed, no alignment. The offsets are those of the contract, asserted below.
_LAYOUT = struct.Struct("<QQQQQ128sI64s32s256sI64s432s")
assert _LAYOUT.size == HEADER_BYTES  # noqa: S101 - the format's size is part of the contract


class Packaging(enum.IntEnum):
    """How the payload is packed, and which hash the header carries."""

    TGZ_SHA256 = 1
    TGZ_MD5 = 2


class Header(NamedTuple):
    """The fields of the header.

    Attributes:
        packaging_version: 1 = tgz and SHA-256, 2 = tgz and MD5.
        data_size_bytes: size of the payload that follows.
        version_major, version_minor: of the NEFF.
        build_version: of the compiler.
        efficient_core_count: NeuronCores for efficient execution.
        payload_hash: digest of the payload, raw (32 or 16 bytes).
        uuid: 32 hex digits.
        name: the model's name.
        requested_core_count: cores requested from the compiler.
        cores_per_node: cores of each node of the graph, up to 64 nodes.
    """

    packaging_version: int
    data_size_bytes: int
    version_major: int
    version_minor: int
    build_version: str
    efficient_core_count: int
    payload_hash: bytes
    uuid: str
    name: str
    requested_core_count: int
    cores_per_node: tuple[int, ...]


def _padded(text: str, size_bytes: int) -> bytes:
    """Encode as UTF-8, cut at a character boundary to fit."""
    return text.encode("utf-8")[:size_bytes].decode("utf-8", "ignore").encode("utf-8")


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "replace")


def _digest(raw: bytes, packaging: int) -> bytes:
    """The digest as raw bytes; a digest in hex is accepted too."""
    size = 32 if packaging == Packaging.TGZ_SHA256 else 16
    if any(raw[size:]):
        try:
            return bytes.fromhex(raw.rstrip(b"\0").decode("ascii"))
        except (ValueError, UnicodeDecodeError):
            return raw
    return raw[:size]


def pack_header(header: Header) -> bytes:
    """The header's 1024 bytes."""
    return _LAYOUT.pack(
        header.packaging_version,
        HEADER_BYTES,
        header.data_size_bytes,
        header.version_major,
        header.version_minor,
        _padded(header.build_version, 127),
        header.efficient_core_count,
        header.payload_hash,
        header.uuid.encode("ascii"),
        _padded(header.name, 255),
        header.requested_core_count,
        bytes(min(c, 255) for c in header.cores_per_node[:MAX_LISTED_NODES]),
        b"",
    )


def starts_neff(data: bytes) -> bool:
    """Whether these first bytes of a file are those of a NEFF, even of a version that this runtime does not read."""
    return len(data) >= HEADER_BYTES and _LAYOUT.unpack_from(data)[1] == HEADER_BYTES


def unpack_header(data: bytes | memoryview) -> Header:
    """Read the header at the start of a NEFF.

    Raises:
        NeffError: INVALID when it is truncated or its sizes are invalid, UNSUPPORTED_NEFF_VERSION for an unknown
            packaging or NEFF version.
    """
    if len(data) < HEADER_BYTES:
        raise NeffError(
            NrtStatus.INVALID, f"the NEFF is truncated: {len(data)} bytes, its header alone has {HEADER_BYTES}"
        )
    fields = _LAYOUT.unpack_from(data)
    packaging, header_size, data_size, major, minor = fields[:5]
    if packaging not in Packaging.__members__.values():
        raise NeffError(
            NrtStatus.UNSUPPORTED_NEFF_VERSION,
            f"unknown NEFF packaging version {packaging}",
            mend="this runtime reads 1 and 2; is it a NEFF file?",
        )
    if header_size != HEADER_BYTES:
        raise NeffError(NrtStatus.INVALID, f"the NEFF's header size is {header_size}, expected {HEADER_BYTES}")
    if major not in SUPPORTED_MAJORS:
        raise NeffError(
            NrtStatus.UNSUPPORTED_NEFF_VERSION,
            f"unknown NEFF version {major}.{minor}: this runtime reads major versions 1 and 2; recompile the model",
        )
    cores_per_node = fields[11].rstrip(b"\0")
    return Header(
        packaging,
        data_size,
        major,
        minor,
        _text(fields[5]),
        fields[6],
        _digest(fields[7], packaging),
        _text(fields[8]),
        _text(fields[9]),
        fields[10],
        tuple(cores_per_node),
    )
