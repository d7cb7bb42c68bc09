"""The archive's first member, ``neff.json``: the graph, and the sizes of the other members."""

from __future__ import annotations

import msgspec

from runtime_core.neff.graph import Graph

MANIFEST_NAME = "neff.json"
FORMAT = "neuron-sim"
FORMAT_VERSION = 1


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of the archive; ``members``: size in bytes of each other member."""

    format: str
    format_version: int
    graph: Graph
    members: dict[str, int]


class ManifestMark(msgspec.Struct, frozen=True):
    """The key that distinguishes our manifest from the hardware compiler's."""

    format: str = ""
    format_version: int = 0


def params_member(node_index: int) -> str:
    """Archive name of a Neuron node's parameters."""
    return f"nodes/{node_index}/params.bin"


def cpu_member(node_index: int) -> str:
    """Archive name of a CPU node's ONNX model."""
    return f"nodes/{node_index}/model.onnx"
