"""A NEFF as bytes and as a file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from runtime_core import __version__
from runtime_core.files import write_atomically
from runtime_core.neff.archive import NeffLimits, pack
from runtime_core.neff.content import content_view
from runtime_core.neff.graph import NodeKind
from runtime_core.neff.header import SUPPORTED_MAJORS, Header, Packaging, pack_header
from runtime_core.neff.manifest import FORMAT, FORMAT_VERSION, MANIFEST_NAME, Manifest, cpu_member, params_member
from runtime_core.neff.model import Neff
from runtime_core.neff.validate import MAX_INTEGER, check_graph, cores_per_node, is_uuid
from runtime_core.status import NeffError, NrtStatus


def _bad(message: str) -> NeffError:
    return NeffError(NrtStatus.INVALID, f"cannot write the NEFF: {message}")


def _members(neff: Neff) -> list[tuple[str, bytes | memoryview]]:
    members: list[tuple[str, bytes | memoryview]] = []
    for index, node in enumerate(neff.graph.nodes):
        if node.kind is NodeKind.CPU:
            if node.name not in neff.cpu_models:
                raise _bad(f"CPU node {node.name!r} has no ONNX model")
            members.append((cpu_member(index), neff.cpu_models[node.name]))
        elif node.params_bytes:
            params = content_view(neff.params.get(node.name, b""))
            if len(params) != node.params_bytes:
                raise _bad(f"node {node.name!r} needs {node.params_bytes} bytes of parameters, not {len(params)}")
            members.append((params_member(index), params))
    manifest = Manifest(FORMAT, FORMAT_VERSION, neff.graph, {name: len(content) for name, content in members})
    try:
        text = msgspec.json.encode(manifest, order="deterministic")
    except UnicodeEncodeError:
        raise _bad("one of the graph's names is not valid Unicode") from None
    limits = NeffLimits()
    if len(text) > limits.manifest_bytes or len(members) >= limits.members:
        raise _bad(f"its graph has {len(text)} bytes and {len(members)} nodes with content, more than a reader accepts")
    return [(MANIFEST_NAME, text), *members]


def _check_identity(neff: Neff) -> None:
    if neff.packaging_version not in Packaging.__members__.values():
        raise _bad(f"packaging version {neff.packaging_version} is neither 1 nor 2")
    major, minor = neff.neff_version
    if major not in SUPPORTED_MAJORS or not 0 <= minor <= MAX_INTEGER:
        raise _bad(f"NEFF version {major}.{minor} is unknown: the major versions are 1 and 2")
    if neff.uuid and not is_uuid(neff.uuid):
        raise _bad("its UUID is not 32 hex digits")


def payload_hash(payload: bytes | memoryview, packaging_version: int) -> bytes:
    """Digest of the payload: SHA-256, or MD5 for packaging version 2."""
    return _digest([payload], packaging_version)


def _digest(pieces: Sequence[bytes | memoryview], packaging_version: int) -> bytes:
    is_md5 = packaging_version == Packaging.TGZ_MD5
    digest = hashlib.md5(usedforsecurity=False) if is_md5 else hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def encode_neff(neff: Neff) -> bytes:
    """The file's bytes; the same NEFF always results in the same bytes.

    Raises:
        NeffError: INVALID, when the graph is invalid or a node's content is missing.
    """
    return b"".join(_pieces(neff))


def _pieces(neff: Neff) -> list[bytes]:
    """The file's bytes, header first."""
    check_graph(neff.graph)
    _check_identity(neff)
    payload = pack(_members(neff))
    digest = _digest(payload, neff.packaging_version)
    graph = neff.graph
    header = Header(
        neff.packaging_version,
        sum(map(len, payload)),
        *neff.neff_version,
        neff.build_version or f"neuron-cc {__version__}",
        graph.core_count,
        digest,
        neff.uuid or (digest if len(digest) == 32 else _digest(payload, Packaging.TGZ_SHA256)).hex()[:32],
        graph.name,
        graph.core_count,
        cores_per_node(graph),
    )
    return [pack_header(header), *payload]


def save_neff(neff: Neff, path: Path | str) -> None:
    """Write the file atomically.

    Raises:
        NeffError: INVALID as :func:`encode_neff`; FAILURE when the file cannot be written.
    """
    pieces = _pieces(neff)
    target = Path(path)
    try:
        write_atomically(target, pieces, mode=None)
    except OSError as error:
        raise NeffError(NrtStatus.FAILURE, f"cannot write the file: {error.strerror}", where=str(target)) from None
