"""A NEFF in memory: identity, graph and the bytes of the nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime_core.neff.content import Content
from runtime_core.neff.graph import Graph


@dataclass(frozen=True)
class Neff:
    """A validated NEFF.

    Attributes:
        graph: nodes and tensors.
        params: node name -> the node's parameter bytes; absent for a node without parameters. A NEFF that was read may
            hold views of its file here.
        cpu_models: CPU node name -> serialised ONNX model.
        uuid: 32 hex digits, derived from the content.
        build_version: of the compiler.
        packaging_version: 1 = SHA-256, 2 = MD5 over the payload.
        neff_version: (major, minor).
        file_size_bytes: size of the file it was read from, 0 when it was built in memory.
    """

    graph: Graph
    params: Mapping[str, bytes | memoryview | Content] = field(default_factory=dict)
    cpu_models: Mapping[str, bytes] = field(default_factory=dict)
    uuid: str = ""
    build_version: str = ""
    packaging_version: int = 1
    neff_version: tuple[int, int] = (1, 0)
    file_size_bytes: int = 0
