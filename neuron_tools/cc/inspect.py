"""What ``neuron-cc inspect`` tells of a NEFF."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from runtime_core.engine.footprint import footprints
from runtime_core.engine.timing import estimate_device_ns
from runtime_core.neff.graph import Graph, Node, TensorSpec
from runtime_core.neff.header import unpack_header
from runtime_core.neff.reader import hash_matches, read_file, read_neff


class NodeReport(msgspec.Struct, frozen=True):
    """One node: instructions by engine, FLOPs of an execution, bytes of parameters."""

    name: str
    kind: str
    core: int
    instructions: dict[str, int]
    flops: int
    params_bytes: int
    inputs: list[str]
    outputs: list[str]


class NeffReport(msgspec.Struct, frozen=True):
    """A NEFF file at a glance; ``device_ns`` is the modelled device time of an execution on an idle chip."""

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
        NeffError: it is refused.
    """
    data = read_file(path)
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


def format_report(report: NeffReport) -> str:
    """The report as a person reads it."""
    lines = [
        f"file              {report.file} ({_mib(report.file_size_bytes)})",
        f"name              {report.name}",
        f"uuid              {report.uuid}",
        f"NEFF version      {report.neff_version}, packaging {report.packaging_version}, "
        f"hash {'ok' if report.hash_ok else 'WRONG'}",
        f"build             {report.build_version}",
        f"NeuronCores       {report.core_count} (efficient {report.efficient_core_count}, "
        f"requested {report.requested_core_count})",
        f"batch             {report.batch or 'none'}",
        f"inputs            {', '.join(report.inputs)}",
        f"outputs           {', '.join(report.outputs)}",
        f"FLOPs             {report.flops / 1e9:.3f} G an execution",
        f"parameters        {_mib(report.params_bytes)}, {_mib(report.device_memory_bytes)} of device memory in all",
        f"device time       {report.device_ns / 1e6:.3f} ms, modelled, on an idle chip",
        "nodes",
    ]
    for node in report.nodes:
        engines = ", ".join(f"{count} {engine}" for engine, count in node.instructions.items()) or "ONNX operators"
        where = f"core {node.core}" if node.kind == "neuron" else "host"
        lines.append(
            f"  {node.name}  {node.kind}  {where}  {engines}  {node.flops / 1e9:.3f} GFLOP  {_mib(node.params_bytes)}"
        )
    return "\n".join(lines)
