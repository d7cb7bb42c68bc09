"""Memory that a loaded model takes, by category, so that parts and totals agree wherever they are shown."""

from __future__ import annotations

from typing import NamedTuple

from runtime_core.neff.graph import Graph, Node, NodeKind

INSTRUCTION_BYTES = 64
"""Bytes of one instruction with its descriptors (assumed; the ISA is not published)."""
RUNTIME_BYTES_PER_NODE = 64 * 1024
"""DMA rings and notification queues of a node (assumed)."""


class SubgraphFootprint(NamedTuple):
    """What one core holds of a model, in bytes.

    ``host`` and ``device`` follow HostMemory and SubgraphDeviceMemory; ``scratchpad_bytes`` is counted at the core.
    """

    core: int
    host: tuple[int, int, int, int]
    device: tuple[int, int, int, int]
    scratchpad_bytes: int

    @property
    def dram_bytes(self) -> int:
        """DRAM it needs in all."""
        return sum(self.device) + self.scratchpad_bytes


def scratch_bytes(node: Node) -> int:
    """Peak of the scratch buffers alive at one time."""
    size = {b.name: b.size_bytes for b in node.buffers}
    last_use: dict[str, int] = {}
    for position, instruction in enumerate(node.instructions):
        for name in (*instruction.inputs, *instruction.outputs):
            if name in size:
                last_use[name] = position
    freed = [0] * len(node.instructions)
    for name, position in last_use.items():
        freed[position] += size[name]
    made: set[str] = set()
    now = peak = 0
    for instruction, freed_bytes in zip(node.instructions, freed, strict=True):
        for name in instruction.outputs:
            if name in size and name not in made:
                made.add(name)
                now += size[name]
        peak = max(peak, now)
        now -= freed_bytes
    return peak


def footprints(graph: Graph, cores: tuple[int, ...]) -> tuple[SubgraphFootprint, ...]:
    """One footprint per core of the placement.

    Args:
        graph: the model.
        cores: global cores; ``node.core`` indexes into them.
    """
    result = []
    for place, core in enumerate(cores):
        nodes = [n for n in graph.nodes if n.kind is NodeKind.NEURON and n.core == place]
        io_bytes = sum(t.size_bytes for n in nodes for t in (*n.inputs, *n.outputs))
        instructions = sum(len(n.instructions) for n in nodes)
        result.append(
            SubgraphFootprint(
                core,
                (instructions * INSTRUCTION_BYTES, 0, io_bytes, 0),
                (
                    sum(n.params_bytes for n in nodes),
                    instructions * INSTRUCTION_BYTES,
                    RUNTIME_BYTES_PER_NODE * len(nodes),
                    io_bytes,
                ),
                max((scratch_bytes(n) for n in nodes), default=0),
            )
        )
    return tuple(result)
