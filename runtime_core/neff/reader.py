"""Read untrusted NEFFs: everything is checked, and nothing is unpacked to the disk or unpickled."""

from __future__ import annotations

import hmac
import mmap
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from runtime_core.decoding import prepare
from runtime_core.files import open_regular
from runtime_core.neff.archive import Member, NeffLimits, default_limits, unpack
from runtime_core.neff.content import Content
from runtime_core.neff.graph import Graph, NodeKind
from runtime_core.neff.header import HEADER_BYTES, Header, unpack_header
from runtime_core.neff.inflate import SIZE_VARIABLE
from runtime_core.neff.manifest import (
    FORMAT,
    FORMAT_VERSION,
    MANIFEST_NAME,
    Manifest,
    ManifestMark,
    cpu_member,
    params_member,
)
from runtime_core.neff.model import Neff
from runtime_core.neff.validate import MAX_TENSOR_BYTES, check_graph, check_header
from runtime_core.neff.writer import payload_hash
from runtime_core.status import NeffError, NrtStatus

_FOR_HARDWARE = (
    "the NEFF was compiled for Inferentia hardware, whose instructions this node cannot execute: "
    "recompile the model's ONNX file with 'neuron-cc compile'"
)
_DAMAGED = "the NEFF's payload does not match its hash: the file is damaged"
# Members that only the compilers for hardware write: compiled subgraphs and KELF executables.
_HARDWARE_MEMBER = re.compile(r"(.*/)?(kelf[^/]*|def\.json)|sg\d+(/.*)?")
_HARDWARE_LOOK = NeffLimits(unpacked_bytes=256 * 1024**2)

prepare(Manifest, ManifestMark)


def _split(data: bytes | memoryview) -> tuple[Header, memoryview]:
    view = memoryview(data).cast("B")
    header = unpack_header(view[:HEADER_BYTES])
    payload = view[HEADER_BYTES:]
    if len(payload) != header.data_size_bytes:
        what = "truncated" if len(payload) < header.data_size_bytes else "longer than declared"
        raise NeffError(
            NrtStatus.INVALID,
            f"the NEFF is {what}: its header declares {header.data_size_bytes} bytes of payload, {len(payload)} follow",
        )
    return header, payload


def _too_large(what: str, size_bytes: int, allowed_bytes: int) -> NeffError:
    return NeffError(
        NrtStatus.INVALID,
        f"the NEFF's {what} has {size_bytes} bytes, {allowed_bytes} are allowed",
        mend=f"raise {SIZE_VARIABLE} if you trust it",
    )


def hash_matches(data: bytes | memoryview) -> bool:
    """Whether the payload has the hash in the header."""
    return _matches(*_split(data))


def _matches(header: Header, payload: memoryview) -> bool:
    return hmac.compare_digest(payload_hash(payload, header.packaging_version), header.payload_hash)


def _is_for_hardware(payload: memoryview) -> bool:
    try:
        members = unpack(payload, _HARDWARE_LOOK, skip_extensions=True)
        return any(_HARDWARE_MEMBER.fullmatch(member.name) for member in members)
    except NeffError:
        return False


def _manifest_bytes(members: Iterator[Member], limits: NeffLimits) -> bytes:
    """The first member, which must be the manifest."""
    first = next(members, None)
    if first is None:
        raise NeffError(NrtStatus.INVALID, "the NEFF's archive is empty")
    if first.name != MANIFEST_NAME:
        raise NeffError(NrtStatus.INVALID, f"the NEFF's archive begins with {first.name!r}, not with {MANIFEST_NAME}")
    if first.size_bytes > limits.manifest_bytes:
        raise NeffError(
            NrtStatus.INVALID,
            (f"the NEFF's {MANIFEST_NAME} has {first.size_bytes} bytes, {limits.manifest_bytes} are allowed"),
            mend="split the model",
        )
    return bytes(first.read())


def _manifest(content: bytes) -> Manifest:
    try:
        mark = msgspec.json.decode(content, type=ManifestMark)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NeffError(NrtStatus.INVALID, f"the NEFF's {MANIFEST_NAME} is malformed: the file is damaged") from None
    if mark.format != FORMAT:
        raise NeffError(NrtStatus.UNSUPPORTED_NEFF_VERSION, _FOR_HARDWARE)
    if mark.format_version != FORMAT_VERSION:
        raise NeffError(
            NrtStatus.UNSUPPORTED_NEFF_VERSION,
            "the NEFF's content version is not this runtime's, "
            f"{FORMAT_VERSION}: recompile it with 'neuron-cc compile'",
        )
    try:
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NeffError(NrtStatus.INVALID, f"the NEFF's {MANIFEST_NAME} is malformed: {error}") from None


def _expected(graph: Graph) -> dict[str, int | None]:
    """The members that the graph requires, with their sizes if the graph determines them."""
    expected: dict[str, int | None] = {}
    for index, node in enumerate(graph.nodes):
        if node.kind is NodeKind.CPU:
            expected[cpu_member(index)] = None
        elif node.params_bytes:
            expected[params_member(index)] = node.params_bytes
    return expected


def _check_members(manifest: Manifest) -> None:
    expected = _expected(manifest.graph)
    if manifest.members.keys() != expected.keys():
        odd = min(manifest.members.keys() ^ expected.keys())
        raise NeffError(NrtStatus.INVALID, f"the NEFF declares members that its graph does not have, or lacks: {odd!r}")
    for name, size in expected.items():
        if not 0 <= manifest.members[name] <= MAX_TENSOR_BYTES:
            raise NeffError(NrtStatus.INVALID, f"the NEFF declares an impossible size of {name!r}")
        if size is not None and manifest.members[name] != size:
            raise NeffError(
                NrtStatus.INVALID, f"the NEFF's {name!r} has {manifest.members[name]} bytes, its node needs {size}"
            )


def read_neff(data: bytes | memoryview, *, validate_hash: bool = False, limits: NeffLimits | None = None) -> Neff:
    """Read a NEFF from the bytes of its file.

    Args:
        data: the whole file. Parameters that it stores uncompressed are not copied if it cannot change.
        validate_hash: compare the payload with the header's hash first.
        limits: maximum sizes when unpacked; default: :func:`default_limits`.

    Raises:
        NeffError: INVALID for a malformed file; UNSUPPORTED_NEFF_VERSION for another packaging or version, or one
            compiled for hardware.
    """
    header, payload = _split(data)
    if validate_hash and not _matches(header, payload):
        raise NeffError(NrtStatus.INVALID, _DAMAGED)
    limits = limits or default_limits()
    if len(payload) > limits.payload_bytes:
        raise _too_large("payload", len(payload), limits.payload_bytes)
    members = unpack(payload, limits)
    try:
        manifest = _manifest(_manifest_bytes(members, limits))
    except NeffError:
        # Damage can turn the manifest into one of another format.
        if not _matches(header, payload):
            raise NeffError(NrtStatus.INVALID, _DAMAGED) from None
        if _is_for_hardware(payload):
            raise NeffError(NrtStatus.UNSUPPORTED_NEFF_VERSION, _FOR_HARDWARE) from None
        raise
    graph = manifest.graph
    check_graph(graph)
    check_header(header, graph)
    _check_members(manifest)
    declared_bytes = sum(manifest.members.values())
    if declared_bytes > limits.unpacked_bytes:
        raise _too_large("content", declared_bytes, limits.unpacked_bytes)
    contents: dict[str, memoryview | Content] = {}
    for member in members:
        # Check before inflating: an archive cannot use more memory than its manifest declares.
        if manifest.members.get(member.name) != member.size_bytes:
            raise NeffError(
                NrtStatus.INVALID,
                f"the NEFF holds {member.name!r} of {member.size_bytes} bytes, which it does not declare",
            )
        contents[member.name] = member.read()
    missing = manifest.members.keys() - contents.keys()
    if missing:
        raise NeffError(NrtStatus.INVALID, f"member {min(missing)!r} of the NEFF is missing")
    params: dict[str, bytes | memoryview | Content] = {}
    cpu_models: dict[str, bytes] = {}
    for index, node in enumerate(graph.nodes):
        if node.kind is NodeKind.CPU:
            cpu_models[node.name] = bytes(contents[cpu_member(index)])
        elif node.params_bytes:
            params[node.name] = contents[params_member(index)]
    return Neff(
        graph,
        params,
        cpu_models,
        header.uuid,
        header.build_version,
        header.packaging_version,
        (header.version_major, header.version_minor),
        HEADER_BYTES + len(payload),
    )


@contextmanager
def named(path: Path | str) -> Iterator[None]:
    """Within the block, errors in a NEFF name its file."""
    try:
        yield
    except NeffError as error:
        error.where = error.where or str(path)
        raise


def read_file(path: Path | str, limits: NeffLimits | None = None) -> bytes:
    """Read the bytes of a NEFF file. The header is checked first, so that other files are not read completely.

    Raises:
        NeffError: INVALID, when the file is missing, cannot be read or is too large; and as
            :func:`~runtime_core.neff.header.unpack_header`.
    """
    with _opened(path, limits) as (file, size_bytes):
        # The limit is gigabytes; reading one byte more than the file's size detects a file that grows.
        content = file.read(size_bytes + 1)
        allowed = _allowed_bytes(limits)
        if len(content) > allowed:
            raise _too_large("file", len(content), allowed)
        return content


def map_file(path: Path | str, limits: NeffLimits | None = None) -> memoryview:
    """Map a NEFF file into memory, without a copy. The same files are refused as by :func:`read_file`.

    A user who can truncate the file while it is mapped can crash this process. Do not map files of other users.

    Raises:
        NeffError: as :func:`read_file`.
    """
    with _opened(path, limits) as (file, size_bytes):
        return memoryview(mmap.mmap(file.fileno(), size_bytes, access=mmap.ACCESS_READ))


def _allowed_bytes(limits: NeffLimits | None) -> int:
    return HEADER_BYTES + (limits or default_limits()).payload_bytes


@contextmanager
def _opened(path: Path | str, limits: NeffLimits | None) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file that starts with a NEFF header; returns the file at its start, and its size."""
    allowed = _allowed_bytes(limits)
    try:
        with named(path), open(open_regular(path), "rb") as file:
            unpack_header(file.read(HEADER_BYTES))
            size_bytes = os.fstat(file.fileno()).st_size
            if size_bytes > allowed:
                raise _too_large("file", size_bytes, allowed)
            file.seek(0)
            yield file, size_bytes
    except OSError as error:
        raise NeffError(NrtStatus.INVALID, f"cannot read the file: {error.strerror}", where=str(path)) from None


def load_neff(path: Path | str, *, validate_hash: bool = False, limits: NeffLimits | None = None) -> Neff:
    """Read a NEFF file, whose parameters stay in the file until they are used; see :func:`map_file`.

    Raises:
        NeffError: as :func:`read_neff` and :func:`read_file`.
    """
    with named(path):
        return read_neff(map_file(path, limits), validate_hash=validate_hash, limits=limits)
