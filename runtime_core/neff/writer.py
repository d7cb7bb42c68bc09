"""A NEFF as bytes and as a file."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import msgspec

from runtime_core import __version__
from runtime_core.neff.archive import pack
from runtime_core.neff.graph import NodeKind
from runtime_core.neff.header import Header, Packaging, pack_header
from runtime_core.neff.manifest import FORMAT, FORMAT_VERSION, MANIFEST_NAME, Manifest, cpu_member, params_member
from runtime_core.neff.model import Neff
from runtime_core.neff.validate import check_graph


def _members(neff: Neff) -> list[tuple[str, bytes | memoryview]]:
    members: list[tuple[str, bytes | memoryview]] = []
    for index, node in enumerate(neff.graph.nodes):
        if node.kind is NodeKind.CPU:
            members.append((cpu_member(index), neff.cpu_models[node.name]))
        elif node.params_bytes:
            members.append((params_member(index), neff.params[node.name]))
    manifest = Manifest(FORMAT, FORMAT_VERSION, neff.graph, {name: len(content) for name, content in members})
    return [(MANIFEST_NAME, msgspec.json.encode(manifest, order="deterministic")), *members]


def payload_hash(payload: bytes | memoryview, packaging_version: int) -> bytes:
    """Digest of the payload: SHA-256, or MD5 for packaging version 2."""
    if packaging_version == Packaging.TGZ_MD5:
        return hashlib.md5(payload, usedforsecurity=False).digest()
    return hashlib.sha256(payload).digest()


def encode_neff(neff: Neff) -> bytes:
    """The file's bytes; the same NEFF always gives the same ones.

    Raises:
        NeffError: INVALID, when the graph makes no sense.
    """
    check_graph(neff.graph)
    payload = pack(_members(neff))
    digest = payload_hash(payload, neff.packaging_version)
    graph = neff.graph
    header = Header(
        neff.packaging_version,
        len(payload),
        *neff.neff_version,
        neff.build_version or f"neuron-cc {__version__}",
        graph.core_count,
        digest,
        neff.uuid or hashlib.sha256(payload).hexdigest()[:32],
        graph.name,
        graph.core_count,
        tuple(int(node.kind is NodeKind.NEURON) for node in graph.nodes),
    )
    return pack_header(header) + payload


def save_neff(neff: Neff, path: Path | str) -> None:
    """Write the file atomically: it is whole or not there."""
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(encode_neff(neff))
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
