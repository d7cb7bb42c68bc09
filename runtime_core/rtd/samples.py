"""The daemon's own counters: loads, starts, stops, unloads and their durations."""

from __future__ import annotations

import enum
import threading
import time
from collections import deque
from typing import NamedTuple

from runtime_core.neff.model import Neff

_KEPT = 1024


class Event(enum.Enum):
    """Operations with a duration, apart from inferences."""

    LOAD = "load"
    UNLOAD = "unload"
    START = "start"
    STOP = "stop"


class Sample(NamedTuple):
    """A value at a time (Unix, nanoseconds)."""

    time_ns: int
    value: float


class NeffFacts(NamedTuple):
    """Extremes over the NEFFs that were loaded; versions as (major, minor), ``None`` before the first."""

    version_max: tuple[int, int] | None = None
    version_min: tuple[int, int] | None = None
    size_bytes_max: int = 0
    core_count_max: int = 0


class Series:
    """The last values of one kind; ``overflow`` once older ones were dropped."""

    def __init__(self) -> None:
        """Empty."""
        self.values: deque[Sample] = deque(maxlen=_KEPT)
        self.overflow = False

    def add(self, value: float) -> None:
        """Add a value at the current time."""
        self.overflow = self.overflow or len(self.values) == _KEPT
        self.values.append(Sample(time.time_ns(), value))


class Samples:
    """All samples; threads may share it."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(Event, 0)
        self._seconds = {event: Series() for event in Event}
        self._facts = NeffFacts()
        self._sizes, self._core_counts, self._majors = Series(), Series(), Series()

    def add(self, event: Event, duration_ns: int) -> None:
        """Record an operation."""
        with self._lock:
            self._counts[event] += 1
            self._seconds[event].add(duration_ns / 1e9)

    def loaded(self, neff: Neff) -> None:
        """Record a loaded NEFF."""
        with self._lock:
            facts, version = self._facts, neff.neff_version
            self._facts = NeffFacts(
                max(facts.version_max or version, version),
                min(facts.version_min or version, version),
                max(facts.size_bytes_max, neff.file_size_bytes),
                max(facts.core_count_max, neff.graph.core_count),
            )
            self._sizes.add(neff.file_size_bytes)
            self._core_counts.add(neff.graph.core_count)
            self._majors.add(version[0])

    def count(self, event: Event) -> int:
        """The number of operations of a kind."""
        return self._counts[event]

    @property
    def facts(self) -> NeffFacts:
        """Extremes over the loaded NEFFs."""
        return self._facts

    def seconds(self, event: Event) -> tuple[list[Sample], bool]:
        """The durations of an operation, and whether older values were dropped."""
        return self._copy(self._seconds[event])

    def sizes(self) -> tuple[list[Sample], bool]:
        """Sizes of the loaded NEFFs, bytes."""
        return self._copy(self._sizes)

    def core_counts(self) -> tuple[list[Sample], bool]:
        """NeuronCores of the loaded NEFFs."""
        return self._copy(self._core_counts)

    def majors(self) -> tuple[list[Sample], bool]:
        """Major versions of the loaded NEFFs."""
        return self._copy(self._majors)

    def _copy(self, series: Series) -> tuple[list[Sample], bool]:
        with self._lock:
            return list(series.values), series.overflow
