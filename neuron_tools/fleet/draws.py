"""Random events of a node as functions of time: any count can be computed without those before it.

A Poisson process over an interval is drawn from the top: its total, then how many of it fall into each of 16 equal
parts, and so on down to cells of a few events, whose times are drawn one by one. Each draw has a key of its own (seed,
node, stream, interval, cell), so counts at any two times agree, whoever asks and in whatever order (a counter-based
generator: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.random import Generator, Philox
from numpy.typing import NDArray

_PARTS = 16
_LEAF_EVENTS = 1024
"""Cells with no more events are not divided: to draw their times again costs less than to remember them."""

_EVENLY = np.full(_PARTS, 1 / _PARTS)
_BITS = Philox(key=0)
_GENERATOR = Generator(_BITS)
_STATE = _BITS.state


class _Cell(NamedTuple):
    """``before``: events of the process before the cell."""

    number: int
    first_ns: int
    end_ns: int
    events: int
    before: int

    @property
    def leaf(self) -> bool:
        """Whether it is not divided."""
        return self.events <= _LEAF_EVENTS or self.end_ns - self.first_ns < _PARTS


class _Parts(NamedTuple):
    """A cell that is divided; ``before``: events of the process before each part, and before the end of the last."""

    cell: _Cell
    before: NDArray[np.int64]

    def number(self, at_ns: int) -> int:
        """The part that a time is in; part ``p`` begins at ``length * p // _PARTS``, rounded down."""
        first_ns, end_ns = self.cell.first_ns, self.cell.end_ns
        return -(-_PARTS * (at_ns - first_ns + 1) // (end_ns - first_ns)) - 1

    def part(self, part: int) -> _Cell:
        """A part by its number."""
        first_ns, length_ns = self.cell.first_ns, self.cell.end_ns - self.cell.first_ns
        before = int(self.before[part])
        return _Cell(
            self.cell.number * _PARTS + part, first_ns + length_ns * part // _PARTS,
            first_ns + length_ns * (part + 1) // _PARTS, int(self.before[part + 1]) - before, before,
        )  # fmt: skip


class Draws:
    """The random streams of one node. For one thread."""

    def __init__(self, seed: int, node: int) -> None:
        """``seed``: of the fleet; ``node``: its number in it."""
        self._key = seed << 32 | node
        self._paths: dict[int, tuple[tuple[int, int, float], _Cell, list[_Parts]]] = {}
        self._leaf = 0, 0, 0
        self._leaf_offsets = np.zeros(0)

    def _rng(self, stream: int, interval: int, cell: int) -> Generator:
        state = _STATE["state"]
        state["key"][0] = self._key
        counter = state["counter"]
        counter[0], counter[1], counter[2], counter[3] = 0, stream, interval, cell
        _STATE["buffer_pos"] = 4
        _STATE["has_uint32"] = 0
        _BITS.state = _STATE
        return _GENERATOR

    def exponential(self, stream: int, number: int, mean: float) -> float:
        """The draw ``number`` of a stream of exponentially distributed values."""
        return float(self._rng(stream, number, 0).exponential(mean))

    def count(self, stream: int, first_ns: int, end_ns: int, mean: float, at_ns: int) -> int:
        """Events in ``[first_ns, at_ns)`` of the process over ``[first_ns, end_ns)`` that has ``mean`` events there."""
        if at_ns <= first_ns:
            return 0
        process = first_ns, end_ns, mean
        known = self._paths.get(stream)
        if known is None or known[0] != process:
            known = self._paths[stream] = process, self._top(stream, process), []
        _, top, path = known
        if at_ns >= end_ns:
            return top.events
        while path and not path[-1].cell.first_ns <= at_ns < path[-1].cell.end_ns:
            path.pop()
        cell = path[-1].part(path[-1].number(at_ns)) if path else top
        while not cell.leaf:
            path.append(self._parts(stream, first_ns, cell))
            cell = path[-1].part(path[-1].number(at_ns))
        # A scrape asks for two times that are close to each other.
        leaf = stream, first_ns, cell.number
        if leaf != self._leaf:
            self._leaf, self._leaf_offsets = leaf, self._offsets(stream, first_ns, cell)
        return cell.before + int(np.count_nonzero(self._leaf_offsets < at_ns - cell.first_ns))

    def counts(
        self, stream: int, first_ns: int, end_ns: int, mean: float, at_ns: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """What :meth:`count` returns, for many times in ascending order at once."""
        found = np.zeros(len(at_ns), np.int64)
        top = self._top(stream, (first_ns, end_ns, mean))
        low, high = (int(edge) for edge in np.searchsorted(at_ns, (first_ns, end_ns), "left"))
        found[high:] = top.events
        waiting = [(top, low, high)] if low < high else []
        while waiting:
            cell, low, high = waiting.pop()
            if cell.leaf:
                offsets = self._offsets(stream, first_ns, cell)
                for place in range(low, high):
                    earlier = np.count_nonzero(offsets < int(at_ns[place]) - cell.first_ns)
                    found[place] = cell.before + int(earlier)
                continue
            parts = self._parts(stream, first_ns, cell)
            while low < high:
                part = parts.part(parts.number(int(at_ns[low])))
                end = low + int(at_ns[low:high].searchsorted(part.end_ns))
                waiting.append((part, low, end))
                low = end
        return found

    def times_ns(self, stream: int, first_ns: int, end_ns: int, mean: float) -> Iterator[int]:
        """The times of all events of a process, ascending: those that :meth:`count` counts."""
        cells = [self._top(stream, (first_ns, end_ns, mean))]
        while cells:
            cell = cells.pop()
            if cell.leaf:
                offsets = np.sort(self._offsets(stream, first_ns, cell).astype(np.int64))
                yield from (cell.first_ns + offsets).tolist()
            else:
                parts = self._parts(stream, first_ns, cell)
                cells += [parts.part(part) for part in reversed(range(_PARTS))]

    def _top(self, stream: int, process: tuple[int, int, float]) -> _Cell:
        first_ns, end_ns, mean = process
        return _Cell(1, first_ns, end_ns, int(self._rng(stream, first_ns, 0).poisson(mean)), 0)

    def _parts(self, stream: int, interval: int, cell: _Cell) -> _Parts:
        # Parts are of equal length but for a nanosecond, and equally likely.
        counts = self._rng(stream, interval, cell.number).multinomial(cell.events, _EVENLY)
        before = np.empty(_PARTS + 1, np.int64)
        before[0] = cell.before
        np.cumsum(counts, out=before[1:])
        before[1:] += cell.before
        return _Parts(cell, before)

    def _offsets(self, stream: int, interval: int, cell: _Cell) -> NDArray[np.float64]:
        """Of the events of a cell, from its start, in no order; whole nanoseconds are those before the point."""
        return self._rng(stream, interval, cell.number).random(cell.events) * (cell.end_ns - cell.first_ns)
