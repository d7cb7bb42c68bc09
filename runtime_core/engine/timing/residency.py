"""DRAM traffic of instructions: weights, inputs and outputs of a node, and activations that do not fit on chip."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from heapq import heappop, heappush
from typing import NamedTuple

from runtime_core.neff.graph import ITEM_BYTES, DType, EngineKind, Instruction, Node, TensorSpec

VIEWS = frozenset({"reshape", "concat", "split", "slice"})
"""Instructions that only describe the location of data: the next reader uses their strides."""
_MOVES = VIEWS | {"transpose", "copy"}
_BY_INDEX = frozenset({"gather", "gather_elements", "gather_nd"})
_COMPUTES = (EngineKind.ACT, EngineKind.POOL)


class Traffic(NamedTuple):
    """Bytes moved by one instruction.

    Attributes:
        parameter_bytes: weights that it reads.
        read_bytes, written_bytes: tensors read from and written to DRAM: inputs and outputs of the node, and tensors
            that do not fit on chip.
        moved_bytes: bytes read and written on chip by an instruction that rearranges data.
        held_bytes: activations that stay on chip after it.
    """

    parameter_bytes: int
    read_bytes: int
    written_bytes: int
    moved_bytes: int
    held_bytes: int


def traffic(node: Node, room_bytes: int) -> list[Traffic]:
    """Return the bytes moved by each instruction of a Neuron node.

    A tensor stays on chip from the instruction that produces it to the last one that reads it. If there is no room for
    all tensors, the one whose next use is furthest away goes to DRAM, partly or completely, and is read again.

    Args:
        node: a Neuron node.
        room_bytes: on-chip memory for activations.
    """
    return _run(node, room_bytes)[0]


def peak_bytes(node: Node) -> int:
    """Return the on-chip memory required for all activations of a Neuron node."""
    return _run(node, None)[1]


def _run(node: Node, room_bytes: int | None) -> tuple[list[Traffic], int]:
    """Return the bytes moved by each instruction, and the peak of held bytes. ``None``: unlimited room."""
    values = _Values(node)
    memory = _Memory(values)
    result = []
    peak = 0
    for position, instruction in enumerate(node.instructions):
        if instruction.opcode == "reshape":
            result.append(Traffic(0, 0, 0, 0, memory.held_bytes))
            continue
        read_bytes, written_bytes = memory.use(instruction)
        if instruction.opcode in _BY_INDEX:
            # It reads as many bytes of its table as it outputs.
            read_bytes += sum(values.sizes.get(name, 0) for name in instruction.outputs)
        peak = max(peak, memory.held_bytes)
        written_bytes += memory.make_room(position, peak if room_bytes is None else room_bytes)
        weights, moved = values.parameter_bytes(instruction), values.moved_bytes(instruction)
        result.append(Traffic(weights, read_bytes, written_bytes, moved, memory.held_bytes))
    return result, peak


class _Memory:
    """On-chip memory while a node runs: the bytes of each value that are on chip, and those that are in DRAM."""

    def __init__(self, values: _Values) -> None:
        self._values = values
        self._resident: dict[str, int] = {}
        self._stored = {name: values.sizes[name] for name in values.in_dram if name in values.sizes}
        self.held_bytes = 0
        self._touched: set[str] = set()
        # The value that is needed last comes first; values used meanwhile are listed with an outdated next use.
        self._last_needed: list[tuple[int, str]] = []
        self._next_use: dict[str, int] = {}

    def use(self, instruction: Instruction) -> tuple[int, int]:
        """Make the values of an instruction resident; return the bytes read from DRAM and written to it."""
        values = self._values
        read, written = values.read(instruction), values.written(instruction)
        missing_bytes = sum(values.sizes[name] - self._resident.get(name, 0) for name in read)
        self._touched = read | written
        for name in self._touched:
            self._hold(name, values.sizes[name])
        return missing_bytes, sum(values.sizes[name] for name in written if name in values.given)

    def _hold(self, name: str, size_bytes: int) -> None:
        self.held_bytes += size_bytes - self._resident.get(name, 0)
        self._resident[name] = size_bytes

    def make_room(self, position: int, room_bytes: int) -> int:
        """Drop values without readers, then those that are read last; return the bytes written to DRAM."""
        for name in self._touched:
            use = self._values.next_use(name, position)
            if use is None:
                self.held_bytes -= self._resident.pop(name)
                self._next_use.pop(name, None)
            else:
                self._next_use[name] = use
                heappush(self._last_needed, (-use, name))
        written = 0
        while self.held_bytes > room_bytes and self._last_needed:
            use, name = self._last_needed[0]
            if self._next_use.get(name) != -use or not self._resident.get(name):
                heappop(self._last_needed)
                continue
            left = max(0, self._resident[name] - (self.held_bytes - room_bytes))
            self._hold(name, left)
            # Bytes that are already in DRAM are not written again.
            missing = max(0, self._values.sizes[name] - left - self._stored.get(name, 0))
            self._stored[name] = self._stored.get(name, 0) + missing
            written += missing
        return written


class _Values:
    """The values of a node: sizes, sources and readers."""

    def __init__(self, node: Node) -> None:
        self._instructions = node.instructions
        self._constants = {p.spec.name: p.spec.size_bytes for p in node.parameters}
        specs = {t.name: t for t in (*node.inputs, *node.outputs, *node.buffers)}
        self._source = _sources(node)
        self.given = {self._source.get(t.name, t.name) for t in node.outputs}
        self.in_dram = self.given | {t.name for t in node.inputs}
        self._readers: dict[str, list[tuple[int, int]]] = {}
        self._uses: dict[str, list[int]] = {}
        for position, instruction in enumerate(node.instructions):
            for place, name in enumerate(instruction.inputs):
                self._readers.setdefault(name, []).append((position, place))
                if instruction.opcode != "reshape":
                    self._uses.setdefault(self._source.get(name, name), []).append(position)
        narrow = self._narrow()
        self.sizes = {name: _stored_bytes(spec, name in narrow) for name, spec in specs.items()}
        self._streamed = {name for i in node.instructions for name in i.outputs if self._streams(name)}

    def read(self, instruction: Instruction) -> set[str]:
        """Return the values that an instruction reads from memory."""
        return {n for n in self._named(instruction.inputs) if n not in self._streamed}

    def written(self, instruction: Instruction) -> set[str]:
        """Return the values that an instruction writes to memory."""
        return {n for n in self._named(instruction.outputs) if n not in self._streamed}

    def _named(self, names: tuple[str, ...]) -> set[str]:
        sources = {self._source.get(name, name) for name in names}
        return {name for name in sources if name in self.sizes}

    def parameter_bytes(self, instruction: Instruction) -> int:
        """Return the bytes of weights that an instruction reads completely."""
        if instruction.opcode in _BY_INDEX:
            return 0
        return sum(self._constants.get(name, 0) for name in set(instruction.inputs))

    def moved_bytes(self, instruction: Instruction) -> int:
        """Return the bytes that an instruction rearranges, read and written."""
        if instruction.engine is not EngineKind.DMA or instruction.opcode in VIEWS:
            return 0
        out = sum(self.sizes.get(name, 0) for name in instruction.outputs)
        return (
            2 * out
            if instruction.opcode in _BY_INDEX
            else out + sum(self.sizes.get(name, 0) for name in instruction.inputs)
        )

    def next_use(self, name: str, position: int) -> int | None:
        """Return the next instruction that reads a value."""
        uses = self._uses.get(name, [])
        index = bisect_right(uses, position)
        return uses[index] if index < len(uses) else None

    def _narrow(self) -> set[str]:
        """Return the values that every reader rounds to 16 bits; they are stored rounded."""
        narrow: set[str] = set()
        for instruction in reversed(self._instructions):
            for name in instruction.outputs:
                readers = self._readers.get(name, [])
                if name not in self.given and readers and all(self._rounds(*r, narrow) for r in readers):
                    narrow.add(name)
        return narrow

    def _rounds(self, position: int, place: int, narrow: set[str]) -> bool:
        reader = self._instructions[position]
        if reader.engine is EngineKind.PE:
            return place < 2 and bool(reader.attributes.get("cast"))
        return reader.opcode in _MOVES and all(name in narrow for name in reader.outputs)

    def _streams(self, name: str) -> bool:
        """Return whether a value bypasses memory between engines: its only reader directly follows its producer."""
        readers = self._readers.get(name, [])
        if len(readers) != 1 or name in self.given or name in self._source:
            return False
        reader = self._instructions[readers[0][0]]
        if reader.engine not in _COMPUTES or not readers[0][0]:
            return False
        maker = self._instructions[readers[0][0] - 1]
        return name in maker.outputs and maker.engine is not EngineKind.DMA


def _sources(node: Node) -> Mapping[str, str]:
    """Return reshaped values with the value whose bytes they share."""
    source: dict[str, str] = {}
    for instruction in node.instructions:
        if instruction.opcode == "reshape" and instruction.inputs and instruction.outputs:
            source[instruction.outputs[0]] = source.get(instruction.inputs[0], instruction.inputs[0])
    return source


def _stored_bytes(spec: TensorSpec, narrow: bool) -> int:
    if narrow and spec.dtype is DType.FLOAT32:
        return spec.element_count * ITEM_BYTES[DType.BFLOAT16]
    return spec.size_bytes
