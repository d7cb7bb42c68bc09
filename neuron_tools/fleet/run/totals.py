"""Adds up the series of nodes by point of the plots: executions and durations by tag, what was used by group."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dashboards.recordings import ALL, FAILED
from neuron_tools.fleet.run.outcome import GroupOutcome, TagOutcome
from neuron_tools.fleet.run.spec import RunSpec
from neuron_tools.scenario.promql.evaluate import matcher
from neuron_tools.scenario.promql.grid import Columns, GridStore

DURATION = "neuron_execution_duration_seconds"
COUNTED = ("execution_status_total", f"{DURATION}_bucket", f"{DURATION}_sum", "neuroncore_utilization_ratio",
           "neuroncore_owner_info", "up")  # fmt: skip
"""The metrics that are added up."""

_Floats = NDArray[np.float64]


class Totals:
    """Sums over nodes of one group."""

    def __init__(self, spec: RunSpec) -> None:
        """Nothing yet."""
        self._spec = spec
        self.group = GroupOutcome(0, *(self._zeros() for _ in range(5)))
        self.tags: dict[str, TagOutcome] = {}

    def _zeros(self) -> list[float]:
        return [0.0] * self._spec.points

    def add(self, store: GridStore, lead: int, first: int) -> None:
        """Add a piece of a node.

        Args:
            store: its series.
            lead: scrapes in the store before the piece.
            first: the place of the piece in the run.
        """
        count = len(store.times_seconds) - lead
        points = self._spec.point_of(first, first + count)
        # The scrape at the start of the run ends no step.
        weights = (np.arange(first, first + count) > 0).astype(np.float64)

        def put(into: list[float], values: _Floats) -> None:
            summed = np.bincount(points, weights=values * weights, minlength=self._spec.points)
            into[:] = (np.array(into) + summed).tolist()

        group = self.group
        put(group.scrapes, np.ones(count))
        put(group.answered, store.families["up"].values[0, lead:])
        owners = store.families.get("neuroncore_owner_info")
        if owners is not None:
            put(group.cores_owned, owners.present[:, lead:].sum(axis=0).astype(np.float64))
        used = store.families.get("neuroncore_utilization_ratio")
        if used is not None:
            present = used.present[:, lead:]
            put(group.utilization_sum, np.where(present, used.values[:, lead:], 0.0).sum(axis=0))
            put(group.utilization_count, present.sum(axis=0).astype(np.float64))
        for tag, grown in _by_tag(store, ALL, lead):
            put(self._tag(tag).executions, grown.sum(axis=0))
        for tag, grown in _by_tag(store, FAILED, lead):
            put(self._tag(tag).failed, grown.sum(axis=0))
        for tag, grown in _by_tag(store, f"{DURATION}_sum", lead):
            self._tag(tag).latency_sum_seconds += float((grown * weights).sum())
        self._add_buckets(store, lead, put)

    def _add_buckets(self, store: GridStore, lead: int, put: object) -> None:
        assert callable(put)  # noqa: S101 - the function above
        buckets = store.families.get(f"{DURATION}_bucket")
        if buckets is None:
            return
        grown = grown_since(buckets, lead)
        for row, labels in enumerate(buckets.labels):
            found = dict(labels)
            counts = self._tag(found["runtime_tag"])
            bound = float(found["le"])
            key = None if math.isinf(bound) else bound
            if key not in counts.bounds_seconds:
                counts.bounds_seconds.append(key)
                counts.buckets.append(self._zeros())
            put(counts.buckets[counts.bounds_seconds.index(key)], grown[row])

    def _tag(self, tag: str) -> TagOutcome:
        return self.tags.setdefault(tag, TagOutcome(self._zeros(), self._zeros(), [], []))


def _by_tag(store: GridStore, selector: str, lead: int) -> Iterator[tuple[str, _Floats]]:
    """Growth of the counters that a selector matches, by runtime tag."""
    found = store.select(*matcher(selector))
    grown = grown_since(found, lead)
    rows: dict[str, list[int]] = {}
    for row, labels in enumerate(found.labels):
        rows.setdefault(dict(labels)["runtime_tag"], []).append(row)
    yield from ((tag, grown[some]) for tag, some in rows.items())


def grown_since(counters: Columns, lead: int) -> _Floats:
    """By how much each counter grew since the scrape before, from the place ``lead`` on; a reset begins at 0."""
    values, present = counters.values, counters.present
    if not len(values):
        return values[:, lead:]
    numbers = np.arange(values.shape[1])
    newest = np.maximum.accumulate(np.where(present, numbers, -1), axis=1)
    before = np.concatenate([np.full((len(values), 1), -1), newest[:, :-1]], axis=1)[:, lead:]
    earlier = np.where(before >= 0, values[np.arange(len(values))[:, None], before], 0.0)
    now = values[:, lead:]
    grown = np.where(now >= earlier, now - earlier, now)
    return np.where(present[:, lead:], grown, 0.0)
