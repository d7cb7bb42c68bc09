"""The series of a node over a grid of times, as a Prometheus that scrapes it would have them."""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families

from dashboards.objectives import JOB
from neuron_tools.fleet.calibrate import INSTANCE, Calibration, Line, lines_of
from neuron_tools.fleet.node import FleetNode
from neuron_tools.fleet.own import OWN_PAGE
from neuron_tools.scenario.promql.grid import Columns, GridStore
from neuron_tools.scenario.promql.series import Labels, labels_of


class Kind(NamedTuple):
    """Type and help text of a metric."""

    kind: str
    help: str


class _Family(NamedTuple):
    """The lines of a metric on a page: name and labels, slot (-1: does not move), and the value of those."""

    heads: tuple[str, ...]
    slots: NDArray[np.int64]
    values: NDArray[np.float64]


class PageSeries:
    """Which series the states of a group's nodes show. One for all nodes of the group."""

    def __init__(self, wanted: Collection[str] | None) -> None:
        """``wanted``: names of metrics (of a histogram, with its suffix); ``None``: all."""
        self._wanted = wanted
        self._known: dict[int, tuple[Calibration, dict[str, _Family], NDArray[np.int64]]] = {}
        self.kinds: dict[str, Kind] = {}

    def families(self, made: Calibration) -> dict[str, _Family]:
        """The families of a state."""
        return self._of(made)[1]

    def slots(self, made: Calibration) -> NDArray[np.int64]:
        """The slots of a state that are wanted, ascending."""
        return self._of(made)[2]

    def _of(self, made: Calibration) -> tuple[Calibration, dict[str, _Family], NDArray[np.int64]]:
        known = self._known.get(id(made))
        if known is None:
            known = self._known[id(made)] = self._read(made)
        return known

    def _read(self, made: Calibration) -> tuple[Calibration, dict[str, _Family], NDArray[np.int64]]:
        parts = list(made.text)
        parts[3::4] = ["0"] * len(made.values)
        slot_of = dict(zip(made.slots, range(len(made.slots)), strict=True))
        found: dict[str, list[tuple[str, int, float]]] = {}
        help_text, number = "", -1
        for line in lines_of("".join(parts)):
            if isinstance(line, str):
                help_text = line.split(" ", 3)[3] if line.startswith("# HELP ") else help_text
                continue
            number += 1
            name = line.head.partition("{")[0]
            if not self.takes(name):
                continue
            self.kinds.setdefault(name, Kind(line.kind, help_text))
            slot = slot_of.get(number, -1)
            found.setdefault(name, []).append((line.head, slot, 0.0 if slot >= 0 else float(made.values[number])))
        families = {
            name: _Family(
                tuple(head for head, _, _ in lines),
                np.array([slot for _, slot, _ in lines], np.int64),
                np.array([value for _, _, value in lines]),
            )
            for name, lines in found.items()
        }
        slots = sorted(slot for family in families.values() for slot in family.slots.tolist() if slot >= 0)
        return made, families, np.array(slots, np.int64)

    def takes(self, name: str) -> bool:
        """Whether a metric is wanted."""
        # When a counter began is not kept: it is the boot, and no rule or panel asks for it.
        return not name.endswith("_created") and (self._wanted is None or name in self._wanted)


@functools.lru_cache(100_000)
def _parsed(head: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Name and labels of a line without those of the instance."""
    plain = head.replace(f"{INSTANCE},", "").replace(INSTANCE, "")
    (family,) = text_string_to_metric_families(f"{plain} 0\n")
    (sample,) = family.samples
    return sample.name, tuple(sample.labels.items())


class NodeSeries:
    """The series of one node."""

    def __init__(self, node: FleetNode, page: PageSeries, zone: str) -> None:
        """``page``: of the node's group; ``zone``: its availability zone."""
        self._node, self._page = node, page
        (instance,) = text_string_to_metric_families(f"x{{{node.labels}}} 0\n")
        # As service discovery gives them, with honor_labels.
        self._target = {"job": JOB, "instance": node.name.name, "zone": zone}
        self._labels = {**instance.samples[0].labels, **self._target}
        self._scraped = {**self._target, "instance_type": self._labels["instance_type"]}
        self._known: dict[str, Labels] = {}

    def over(self, at_ns: NDArray[np.int64], start_ns: int, step_seconds: float) -> GridStore:
        """The series at some times.

        Args:
            at_ns: times since the fleet's start, ``step_seconds`` apart.
            start_ns: what becomes second 0 of the grid.
            step_seconds: between two scrapes.
        """
        count = len(at_ns)
        store = GridStore((at_ns - start_ns) / 1e9, step_seconds)
        up = np.zeros(count, np.bool_)
        rows: dict[str, dict[str, int]] = {}
        pieces: dict[str, list[tuple[int, int, _Family, NDArray[np.float64]]]] = {}
        for block in self._node.blocks(at_ns, self._page.slots):
            up[block.low : block.high] = True
            for name, family in self._page.families(block.calibration).items():
                values = np.repeat(family.values[:, None], block.high - block.low, axis=1)
                moves = family.slots >= 0
                values[moves] = block.values[np.searchsorted(block.slots, family.slots[moves])]
                known = rows.setdefault(name, {})
                for head in family.heads:
                    known.setdefault(head, len(known))
                pieces.setdefault(name, []).append((block.low, block.high, family, values))
        for name, parts in pieces.items():
            store.add(name, self._assembled(rows[name], parts, count))
        for name, labels, value in _own():
            self._add_own(store, name, {**dict(labels), **self._scraped}, value, up)
        self._add_own(store, "up", self._scraped, up.astype(np.float64), np.ones(count, np.bool_))
        return store

    def _assembled(
        self, rows: dict[str, int], parts: list[tuple[int, int, _Family, NDArray[np.float64]]], count: int
    ) -> Columns:
        values, present = np.zeros((len(rows), count)), np.zeros((len(rows), count), np.bool_)
        heads = tuple(rows)
        for low, high, family, block in parts:
            index: slice | list[int] = slice(None) if family.heads == heads else [rows[head] for head in family.heads]
            values[index, low:high] = block
            present[index, low:high] = True
        return Columns([self._labels_of(head) for head in heads], values, present)

    def _labels_of(self, head: str) -> Labels:
        known = self._known.get(head)
        if known is None:
            name, labels = _parsed(head)
            known = self._known[head] = labels_of(name, {**dict(labels), **self._labels})
        return known

    def _add_own(
        self, store: GridStore, name: str, labels: dict[str, str], value: float | NDArray[np.float64],
        present: NDArray[np.bool_],
    ) -> None:  # fmt: skip
        if self._page.takes(name):
            values = np.broadcast_to(np.asarray(value, np.float64), present.shape)[None, :]
            store.add(name, Columns([labels_of(name, labels)], values, present[None, :]))


@functools.cache
def _own() -> tuple[tuple[str, tuple[tuple[str, str], ...], float], ...]:
    """What a monitor tells of itself."""
    lines = [line for line in lines_of(OWN_PAGE) if isinstance(line, Line)]
    return tuple((*_parsed(line.head), float(line.value)) for line in lines)
