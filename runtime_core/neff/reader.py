"""Reading a NEFF that anybody may have made: everything is checked, nothing is unpacked to disk or unpickled."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from pathlib import Path

import msgspec

from runtime_core.neff.archive import NeffLimits, default_limits, unpack
from runtime_core.neff.graph import Graph, NodeKind
from runtime_core.neff.header import HEADER_BYTES, Header, unpack_header
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
from runtime_core.neff.validate import check_graph
from runtime_core.neff.writer import payload_hash
from runtime_core.status import NeffError, NrtStatus

_FOR_HARDWARE = (
    "the NEFF was compiled for Inferentia hardware, whose instructions this node can't execute: "
    "compile the model's ONNX file with 'neuron-cc compile'"
)


def _split(data: bytes | memoryview) -> tuple[Header, memoryview]:
    view = memoryview(data).cast("B")
    header = unpack_header(view[:HEADER_BYTES])
    payload = view[HEADER_BYTES:]
    if len(payload) != header.data_size_bytes:
        what = "truncated" if len(payload) < header.data_size_bytes else "longer than it says"
        raise NeffError(
            NrtStatus.INVALID,
            f"the NEFF is {what}: its header declares {header.data_size_bytes} bytes of payload, {len(payload)} follow",
        )
    return header, payload


def hash_matches(data: bytes | memoryview) -> bool:
    """Whether the payload has the hash that the header carries."""
    header, payload = _split(data)
    return hmac.compare_digest(payload_hash(payload, header.packaging_version), header.payload_hash)


def _manifest(members: Iterator[tuple[str, bytes]]) -> Manifest:
    first = next(members, None)
    if first is None:
        raise NeffError(NrtStatus.INVALID, "the NEFF's archive is empty")
    name, content = first
    try:
        mark = msgspec.json.decode(content, type=ManifestMark) if name == MANIFEST_NAME else ManifestMark()
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NeffError(NrtStatus.INVALID, f"the NEFF's {MANIFEST_NAME} is malformed: the file is damaged") from None
    if mark.format != FORMAT:
        raise NeffError(NrtStatus.UNSUPPORTED_NEFF_VERSION, _FOR_HARDWARE)
    if mark.format_version != FORMAT_VERSION:
        raise NeffError(
            NrtStatus.UNSUPPORTED_NEFF_VERSION,
            f"the NEFF's content has version {mark.format_version}, this runtime reads {FORMAT_VERSION}: recompile it",
        )
    try:
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NeffError(NrtStatus.INVALID, f"the NEFF's {MANIFEST_NAME} is malformed: {error}") from None


def _expected(graph: Graph) -> dict[str, int | None]:
    """The members that the graph needs, with their sizes where it fixes them."""
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
        if size is not None and manifest.members[name] != size:
            raise NeffError(
                NrtStatus.INVALID, f"the NEFF's {name!r} has {manifest.members[name]} bytes, its node needs {size}"
            )


def read_neff(data: bytes | memoryview, *, validate_hash: bool = False, limits: NeffLimits | None = None) -> Neff:
    """Read a NEFF from the bytes of its file.

    Args:
        data: the whole file.
        validate_hash: compare the payload with the header's hash first.
        limits: what it may unpack to; default: :func:`default_limits`.

    Raises:
        NeffError: INVALID for a malformed file; UNSUPPORTED_NEFF_VERSION for another packaging or version, or one
            compiled for hardware.
    """
    header, payload = _split(data)
    if validate_hash and not hmac.compare_digest(payload_hash(payload, header.packaging_version), header.payload_hash):
        raise NeffError(NrtStatus.INVALID, "the NEFF's payload does not match its hash: the file is damaged")
    members = unpack(payload, limits or default_limits())
    manifest = _manifest(members)
    graph = manifest.graph
    check_graph(graph)
    _check_members(manifest)
    contents: dict[str, bytes] = {}
    for name, content in members:
        if manifest.members.get(name) != len(content):
            raise NeffError(
                NrtStatus.INVALID, f"the NEFF holds {name!r} of {len(content)} bytes, which it does not declare"
            )
        contents[name] = content
    missing = manifest.members.keys() - contents.keys()
    if missing:
        raise NeffError(NrtStatus.INVALID, f"the NEFF lacks its member {min(missing)!r}")
    params: dict[str, bytes | memoryview] = {}
    cpu_models: dict[str, bytes] = {}
    for index, node in enumerate(graph.nodes):
        if node.kind is NodeKind.CPU:
            cpu_models[node.name] = contents[cpu_member(index)]
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
        len(data),
    )


def read_file(path: Path | str) -> bytes:
    """The bytes of a NEFF file.

    Raises:
        NeffError: INVALID, when there is no such file or it can't be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise NeffError(NrtStatus.INVALID, f"{path} can't be read: {error.strerror}") from None


def load_neff(path: Path | str, *, validate_hash: bool = False, limits: NeffLimits | None = None) -> Neff:
    """Read a NEFF file; see :func:`read_neff`."""
    return read_neff(read_file(path), validate_hash=validate_hash, limits=limits)
