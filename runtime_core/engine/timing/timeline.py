"""One execution of a model as spans of time: engines, DRAM, links, CPU nodes and the work of the runtime.

The times are those of the timing model (``docs/explanation/timing.md``) on otherwise idle cores.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple

from runtime_core.engine.timing import model as timing
from runtime_core.instance import InstanceType
from runtime_core.neff.graph import Graph, Instruction, Node, NodeKind
from runtime_core.topology import device_of_core, topology

_UNLIMITED = 1e-12
"""A number of active cores that makes DRAM bandwidth practically unlimited, so that only engine time remains."""


class Bound(enum.StrEnum):
    """The bottleneck of a span."""

    COMPUTE = "compute"
    DRAM = "DRAM"
    LINK = "link"
    HOST = "host"


class Track(NamedTuple):
    """Position of a span: ``device`` ``None`` is the host; ``core`` is that of the chip (0..3), ``None`` for links."""

    device: int | None
    core: int | None
    lane: str


class Span(NamedTuple):
    """An activity that takes time.

    Attributes:
        track: position in the diagram.
        name: the instruction, the CPU node, or the wait.
        operator: source operator of the instruction.
        start_ns: start, relative to the call.
        duration_ns: duration.
        bound: bottleneck.
        flops: floating-point operations.
        size_bytes: bytes sent, for links.
        opcode: opcode of an instruction.
        detail: shows a part of another span (waiting for DRAM), and does not add to the time.
    """

    track: Track
    name: str
    operator: str
    start_ns: int
    duration_ns: int
    bound: Bound
    flops: int = 0
    size_bytes: int = 0
    opcode: str = ""
    detail: bool = False


class Timeline(NamedTuple):
    """One execution: its spans sorted by start, and the time from call to return."""

    model: str
    spans: tuple[Span, ...]
    total_ns: int


_HOST = Track(None, None, "runtime")
_CPU = Track(None, None, "CPU nodes")


def timeline_of(graph: Graph, size: InstanceType, cores: Sequence[int]) -> Timeline:
    """Compute the timeline of one execution.

    Args:
        graph: the model.
        size: the instance type.
        cores: global core indices, as many as the graph requires.
    """
    cost = timing.time_graph(graph, cores)
    held = _weights_by_core(graph, cores)
    spans = [Span(_HOST, "queue, IFMAPs to the device", "runtime", 0, cost.before.alone_ns, Bound.HOST)]
    now_ns = cost.before.alone_ns
    previous: int | None = None
    for node, node_timing in zip(graph.nodes, cost.nodes, strict=True):
        if node.kind is NodeKind.CPU:
            spans.append(Span(_CPU, node.name, node.name, now_ns, node_timing.duration_ns[0], Bound.HOST))
            now_ns += node_timing.duration_ns[0]
            continue
        core = cores[node.core]
        if previous is not None and previous != core:
            crossing = _crossing(node, size, previous, core, now_ns)
            spans += crossing
            now_ns = crossing[-1].start_ns + crossing[-1].duration_ns if crossing else now_ns
        spans += _node_spans(node, core, held[core], now_ns, node_timing.duration_ns[0])
        now_ns += node_timing.duration_ns[0]
        previous = core
    spans.append(Span(_HOST, "OFMAPs to the host, return", "runtime", now_ns, cost.after.alone_ns, Bound.HOST))
    return Timeline(graph.name, tuple(spans), now_ns + cost.after.alone_ns)


def _weights_by_core(graph: Graph, cores: Sequence[int]) -> dict[int, int]:
    held: dict[int, int] = {}
    for node in graph.nodes:
        if node.kind is NodeKind.NEURON:
            held[cores[node.core]] = held.get(cores[node.core], 0) + timing.streamed_bytes(node)
    return held


def _crossing(node: Node, size: InstanceType, source: int, target: int, now_ns: int) -> list[Span]:
    """Return spans for the transfer of a node's inputs over each link, one after another."""
    size_bytes = sum(t.size_bytes for t in node.inputs)
    spans = []
    for device, eastward in topology(size).path(device_of_core(source), device_of_core(target)):
        duration_ns = timing.link_transfer_ns(size_bytes, 1)
        side = "East" if eastward else "West"
        spans.append(
            Span(
                Track(device, None, f"{side} link"), f"{size_bytes} bytes", "link", now_ns, duration_ns, Bound.LINK, 0,
                size_bytes,
            )
        )  # fmt: skip
        now_ns += duration_ns
    return spans


def _label(instruction: Instruction) -> str:
    return f"{instruction.opcode} {instruction.source}".rstrip()


def _node_spans(node: Node, core: int, held_bytes: int, start_ns: int, duration_ns: int) -> list[Span]:
    """Return spans for the node's start, its instructions on their engines, and their waits for DRAM."""
    device, place = device_of_core(core), core % 4
    whole = timing.instruction_seconds(node, held_bytes)
    engines = timing.instruction_seconds(node, held_bytes, active_cores=_UNLIMITED)
    overhead_ns = max(0, duration_ns - round(sum(whole) * 1e9))
    sync = Track(device, place, "sync")
    spans = [Span(sync, f"start {node.name}", "node start", start_ns, overhead_ns, Bound.COMPUTE)]
    # Counted from the node's start, so that rounding errors do not accumulate.
    passed = 0.0
    for instruction, seconds, engine_seconds in zip(node.instructions, whole, engines, strict=True):
        at_ns = start_ns + overhead_ns + round(passed * 1e9)
        passed += seconds
        end_ns = start_ns + overhead_ns + round(passed * 1e9)
        wait_ns = end_ns - at_ns - round(engine_seconds * 1e9)
        starved = wait_ns > 0.001 * (end_ns - at_ns) and wait_ns > 1
        operator = instruction.source or instruction.opcode
        spans.append(
            Span(
                Track(device, place, instruction.engine.value.upper()),
                _label(instruction),
                operator,
                at_ns,
                end_ns - at_ns,
                Bound.DRAM if starved else Bound.COMPUTE,
                instruction.flops,
                opcode=instruction.opcode,
            )
        )
        if starved:
            waiting = Track(device, place, "DRAM")
            spans.append(
                Span(
                    waiting,
                    f"wait: {_label(instruction)}",
                    operator,
                    end_ns - wait_ns,
                    wait_ns,
                    Bound.DRAM,
                    detail=True,
                )
            )
    return spans
