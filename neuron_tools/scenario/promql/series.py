"""Samples by series over time, as Prometheus keeps them between scrapes."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Sorted pairs; the metric's name is the label ``__name__``."""

NAME = "__name__"
LOOKBACK_SECONDS = 300.0
"""Maximum age of a sample that counts as current (Prometheus' default)."""


class Sample(NamedTuple):
    """A value of a series at one time."""

    labels: Labels
    value: float


class Window(NamedTuple):
    """A series' samples within a range."""

    labels: Labels
    times: list[float]
    values: list[float]


def labels_of(name: str, labels: Mapping[str, str]) -> Labels:
    """The labels of a series; empty ones are none."""
    return tuple(sorted({NAME: name, **{k: v for k, v in labels.items() if v}}.items()))


class _Series:
    __slots__ = ("times", "values")

    def __init__(self) -> None:
        self.times: list[float] = []
        self.values: list[float] = []


class SeriesStore:
    """Every series that was ever scraped or recorded. A series that a scrape lacks is stale from then on."""

    def __init__(self) -> None:
        self._by_name: dict[str, dict[Labels, _Series]] = {}
        self._present: dict[str, set[tuple[str, Labels]]] = {}

    def append(self, origin: str, at_seconds: float, samples: Iterable[tuple[str, Labels, float]]) -> None:
        """Take all that ``origin`` (a target, a rule) shows at one time, later than before.

        Args:
            origin: whose series end when it shows them no more.
            at_seconds: of the scrape.
            samples: name, labels and value of each series.
        """
        present: set[tuple[str, Labels]] = set()
        for name, labels, value in samples:
            series = self._by_name.setdefault(name, {}).setdefault(labels, _Series())
            series.times.append(at_seconds)
            series.values.append(value)
            present.add((name, labels))
        for name, labels in self._present.get(origin, set()) - present:
            series = self._by_name[name][labels]
            series.times.append(at_seconds)
            # The stale marker: NaN is not kept otherwise, for none of our metrics can be one.
            series.values.append(math.nan)
        self._present[origin] = present

    def _matching(self, name: str | None, match: Callable[[Labels], bool]) -> Iterator[tuple[Labels, _Series]]:
        families = self._by_name.values() if name is None else (self._by_name.get(name, {}),)
        for family in families:
            yield from ((labels, series) for labels, series in family.items() if match(labels))

    def instant(self, name: str | None, match: Callable[[Labels], bool], at_seconds: float) -> list[Sample]:
        """The newest sample of each series that matches, unless it is stale or older than the lookback."""
        found = []
        for labels, series in self._matching(name, match):
            last = bisect_right(series.times, at_seconds) - 1
            if last < 0 or series.times[last] <= at_seconds - LOOKBACK_SECONDS or math.isnan(series.values[last]):
                continue
            found.append(Sample(labels, series.values[last]))
        return found

    def window(
        self, name: str | None, match: Callable[[Labels], bool], at_seconds: float, range_seconds: float
    ) -> list[Window]:
        """Samples of each series that matches from ``range_seconds`` ago to now, both ends included."""
        found = []
        for labels, series in self._matching(name, match):
            first = bisect_left(series.times, at_seconds - range_seconds)
            last = bisect_right(series.times, at_seconds)
            times, values = series.times[first:last], series.values[first:last]
            # A sum shows at once that there is no stale marker; infinities can spoil it, and are looked at one by one.
            if math.isnan(sum(values)):
                kept = [i for i, value in enumerate(values) if not math.isnan(value)]
                times, values = [times[i] for i in kept], [values[i] for i in kept]
            if values:
                found.append(Window(labels, times, values))
        return found
