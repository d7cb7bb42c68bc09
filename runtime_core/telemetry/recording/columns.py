"""Separate a snapshot into its shape and its numbers: two snapshots of the same shape differ only in numbers.

The shape is the snapshot's tree with a mark in place of each number. The numbers are in *columns*, in the order of the
tree. The sum of a histogram is a column; its counts are stored separately, because most buckets never change.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import msgspec

from runtime_core.decoding import prepare
from runtime_core.histogram import BUCKET_COUNT, Histogram
from runtime_core.telemetry.snapshot import Snapshot

Tree: TypeAlias = "bool | int | float | str | list[Tree] | tuple[Tree, ...] | dict[str | int, Tree] | None"

_Container: TypeAlias = "list[object] | dict[object, object]"
_Key: TypeAlias = "int | str"

INTEGER, HUNDREDTHS, BITS, HISTOGRAM = range(4)
"""Marks of a shape: the type of the number in that place. The host's clock ticks are exact hundredths of a second; all
other floats are stored as their 64 bits."""

_AS_FLOAT, _AS_INTEGER = struct.Struct("<d"), struct.Struct("<Q")
_HISTOGRAM_KEY = "__histogram__"
_MAX_DEPTH = 12

# neuron-top reads a recording in two threads: one plays it, the other searches it for events.
prepare(Snapshot)


class Columns(NamedTuple):
    """The shape and the numbers of a snapshot.

    Attributes:
        shape: the tree with marks in place of numbers.
        values: the numbers.
        histograms: bucket -> count of each histogram, in the order of the tree.
    """

    shape: Tree
    values: list[int]
    histograms: list[Mapping[int, int]]


def _encode_histogram(value: object) -> object:
    if isinstance(value, Histogram):
        return {_HISTOGRAM_KEY: (value.sum_ns, value.buckets)}
    raise NotImplementedError(f"a snapshot holds a {type(value).__name__}")


def _decode_histogram(kind: type, value: object) -> object:
    if kind is Histogram and isinstance(value, tuple):
        return Histogram(value[1], value[0])
    raise NotImplementedError(f"a recording cannot hold a {kind.__name__}")


def take_apart(snapshot: Snapshot) -> Columns:
    """Separate the shape of a snapshot from its numbers."""
    values: list[int] = []
    histograms: list[Mapping[int, int]] = []

    def walk(tree: object) -> Tree:
        if tree is None or isinstance(tree, bool | str):
            return tree
        if isinstance(tree, int):
            values.append(tree)
            return INTEGER
        if isinstance(tree, float):
            hundredths = round(tree * 100) if math.isfinite(tree) else 0
            if hundredths / 100 == tree:
                values.append(hundredths)
                return HUNDREDTHS
            values.append(_AS_INTEGER.unpack(_AS_FLOAT.pack(tree))[0])
            return BITS
        if isinstance(tree, dict):
            found = tree.get(_HISTOGRAM_KEY)
            if found is not None:
                values.append(found[0])
                histograms.append(found[1])
                return HISTOGRAM
            return {key: walk(value) for key, value in tree.items()}
        if isinstance(tree, list | tuple):
            return tuple([walk(value) for value in tree])
        raise TypeError(f"a snapshot holds a {type(tree).__name__}")

    shape = walk(msgspec.to_builtins(snapshot, enc_hook=_encode_histogram))
    return Columns(shape, values, histograms)


def put_together(columns: Columns) -> Snapshot:
    """Build the snapshot from its columns.

    Raises:
        ValueError: the columns are not those of a snapshot.
    """
    return Template(columns.shape).snapshot(columns)


class Template:
    """A shape with the places of its numbers, for all snapshots of that shape. Not thread-safe.

    Attributes:
        shape: the shape.
    """

    def __init__(self, shape: Tree) -> None:
        """Find the places.

        Raises:
            ValueError: the shape is invalid.
        """
        self.shape = shape
        self._places = 0
        self._slots: dict[int, list[tuple[_Container, _Key, int]]] = {INTEGER: [], HUNDREDTHS: [], BITS: []}
        self._histogram_slots: list[tuple[_Container, _Key, int]] = []
        self._root: list[object] = [None]
        self._put(self._root, 0, shape, 0)

    def _put(self, container: _Container, key: _Key, shape: Tree, depth: int) -> None:
        if shape is None or isinstance(shape, bool | str):
            container[key] = shape  # type: ignore[index]
            return
        if depth > _MAX_DEPTH:
            raise ValueError("nested too deeply")
        if isinstance(shape, dict):
            inner: dict[object, object] = {}
            container[key] = inner  # type: ignore[index]
            for name, value in shape.items():
                self._put(inner, name, value, depth + 1)
        elif isinstance(shape, list | tuple):
            items: list[object] = [None] * len(shape)
            container[key] = items  # type: ignore[index]
            for place, value in enumerate(shape):
                self._put(items, place, value, depth + 1)
        elif shape == HISTOGRAM:
            self._histogram_slots.append((container, key, self._places))
            container[key] = None  # type: ignore[index]
            self._places += 1
        else:
            slots = self._slots.get(shape)  # type: ignore[arg-type]
            if slots is None:
                raise ValueError(f"unknown mark {shape!r}")
            slots.append((container, key, self._places))
            container[key] = None  # type: ignore[index]
            self._places += 1

    def snapshot(self, columns: Columns) -> Snapshot:
        """Build a snapshot from columns of this shape.

        Raises:
            ValueError: the columns are not those of a snapshot.
        """
        values = columns.values
        if len(values) < self._places or len(columns.histograms) < len(self._histogram_slots):
            raise ValueError("it has fewer numbers than its shape has places")
        for container, key, place in self._slots[INTEGER]:
            container[key] = values[place]  # type: ignore[index]
        for container, key, place in self._slots[HUNDREDTHS]:
            container[key] = values[place] / 100  # type: ignore[index]
        try:
            for container, key, place in self._slots[BITS]:
                container[key] = _AS_FLOAT.unpack(_AS_INTEGER.pack(values[place]))[0]  # type: ignore[index]
        except struct.error:
            raise ValueError("a float of more than 64 bits") from None
        for (container, key, place), counts in zip(self._histogram_slots, columns.histograms, strict=False):
            kept = {b: n for b, n in sorted(counts.items()) if n > 0 and 0 <= b < BUCKET_COUNT}
            container[key] = values[place], kept  # type: ignore[index]
        try:
            return msgspec.convert(self._root[0], Snapshot, dec_hook=_decode_histogram, str_keys=False)
        except (msgspec.ValidationError, NotImplementedError) as error:
            raise ValueError(str(error)) from None
