"""The report of ``neuron-cc inspect``."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import msgspec

from neuron_console.text import columns, printable
from neuron_console.units import rounded
from runtime_core.engine.footprint import footprints
from runtime_core.engine.timing.model import estimate_device_ns
from runtime_core.neff.graph import Graph, Node, NodeKind, TensorSpec
from runtime_core.neff.header import unpack_header
from runtime_core.neff.reader import hash_matches, map_file, named, read_neff


class NodeReport(msgspec.Struct, frozen=True):
    """One node: instructions per engine, FLOPs per execution, bytes of parameters."""

    name: str
    kind: str
    core: int
    instructions: dict[str, int]
    flops: int
    params_bytes: int
    inputs: list[str]
    outputs: list[str]


class NeffReport(msgspec.Struct, frozen=True):
    """Summary of a NEFF file.

    Attributes:
        cores_per_node: list in the header: cores of the first 64 nodes, without the CPU nodes at its end.
        device_memory_bytes: DRAM used by the loaded model.
        device_ns: modelled device time of an execution on an idle chip.
    """

    file: str
    file_size_bytes: int
    name: str
    uuid: str
    packaging_version: int
    neff_version: str
    build_version: str
    hash_ok: bool
    efficient_core_count: int
    requested_core_count: int
    cores_per_node: list[int]
    core_count: int
    batch: int
    inputs: list[str]
    outputs: list[str]
    nodes: list[NodeReport]
    flops: int
    params_bytes: int
    device_memory_bytes: int
    device_ns: int


def _tensors(specs: tuple[TensorSpec, ...]) -> list[str]:
    return [f"{s.name}: {s.dtype.value}{list(s.shape)}" for s in specs]


def _node(node: Node) -> NodeReport:
    by_engine = Counter(instruction.engine.value for instruction in node.instructions)
    return NodeReport(
        node.name,
        node.kind.value,
        node.core,
        dict(sorted(by_engine.items())),
        node.flops,
        node.params_bytes,
        _tensors(node.inputs),
        _tensors(node.outputs),
    )


def _device_memory_bytes(graph: Graph) -> int:
    return sum(part.dram_bytes for part in footprints(graph, tuple(range(graph.core_count))))


def inspect_report(path: Path) -> NeffReport:
    """Read a NEFF and describe it.

    Raises:
        NeffError: the file is invalid.
    """
    data = map_file(path)
    with named(path):
        neff = read_neff(data)
    header = unpack_header(data)
    graph = neff.graph
    return NeffReport(
        str(path),
        len(data),
        header.name,
        neff.uuid,
        neff.packaging_version,
        f"{header.version_major}.{header.version_minor}",
        neff.build_version,
        hash_matches(data),
        header.efficient_core_count,
        header.requested_core_count,
        list(header.cores_per_node),
        graph.core_count,
        graph.batch,
        _tensors(graph.inputs),
        _tensors(graph.outputs),
        [_node(node) for node in graph.nodes],
        sum(node.flops for node in graph.nodes),
        sum(node.params_bytes for node in graph.nodes),
        _device_memory_bytes(graph),
        estimate_device_ns(graph),
    )


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.2f} MiB"


_COLUMNS = ("NODE", "KIND", "WHERE", "INSTRUCTIONS", "GFLOP", "PARAMETERS")


def _row(node: NodeReport) -> tuple[str, ...]:
    engines = " ".join(f"{engine}:{count}" for engine, count in node.instructions.items())
    is_neuron = node.kind == NodeKind.NEURON.value
    return (
        printable(node.name),
        node.kind,
        f"core {node.core}" if is_neuron else "host",
        engines if is_neuron else "ONNX operators",
        f"{node.flops / 1e9:.3f}" if is_neuron else "n/a",
        _mib(node.params_bytes) if is_neuron else "n/a",
    )


def _node_lines(nodes: list[NodeReport]) -> list[str]:
    lines = columns(_COLUMNS, [_row(node) for node in nodes])
    out = lines[:1]
    for node, line in zip(nodes, lines[1:], strict=True):
        out.append(line)
        out.append(f"  in   {printable(', '.join(node.inputs)) or 'none'}")
        out.append(f"  out  {printable(', '.join(node.outputs)) or 'none'}")
    return out


def json_report(report: NeffReport) -> str:
    """Return the report as one JSON object."""
    return json.dumps(rounded(msgspec.to_builtins(report)))


def format_report(report: NeffReport) -> str:
    """Return the report as text: lines of field and value, then a table of the nodes."""
    fields = {
        "file": f"{report.file} ({_mib(report.file_size_bytes)})",
        "name": report.name,
        "uuid": report.uuid,
        "NEFF version": f"{report.neff_version}, packaging {report.packaging_version}, "
        f"hash {'ok' if report.hash_ok else 'WRONG'}",
        "build": report.build_version,
        "NeuronCores": f"{report.core_count} (efficient {report.efficient_core_count}, "
        f"requested {report.requested_core_count})",
        "batch": str(report.batch or "none"),
        "inputs": ", ".join(report.inputs),
        "outputs": ", ".join(report.outputs),
        "FLOPs": f"{report.flops / 1e9:.3f} G per execution",
        "parameters": f"{_mib(report.params_bytes)}, {_mib(report.device_memory_bytes)} of device memory in total",
        "device time": f"{report.device_ns / 1e6:.3f} ms, modelled, on an idle chip",
    }
    lines = [f"{label:<18}{printable(value)}".rstrip() for label, value in fields.items()]
    return "\n".join([*lines, "", *_node_lines(report.nodes)])
