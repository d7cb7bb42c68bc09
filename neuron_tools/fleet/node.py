"""A node of a fleet: its metrics page at any time."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuron_tools.fleet.calibrate import Calibration, State, labels_of
from neuron_tools.fleet.draws import Draws
from neuron_tools.fleet.model import GroupModel
from neuron_tools.fleet.schema import Fleet, NodeName, nodes_of
from neuron_tools.fleet.timeline import LEVELS, Fault, Timeline, rate_at
from neuron_tools.scenario.schema import ApplicationSpec, nanoseconds_of

_PERIOD_NS = 5 * 10**9
"""What gauges of the last period are about, as neuron-monitor's default."""


class Block(NamedTuple):
    """Values of some slots of one state, a row each, at the times ``[low, high)`` of those asked for."""

    calibration: Calibration
    low: int
    high: int
    slots: NDArray[np.int64]
    values: NDArray[np.float64]


class _Segment:
    """A node between two events: its state, and what was counted before it."""

    def __init__(self, model: GroupModel, state: State, span_ns: tuple[int, int], before: NDArray[np.float64]) -> None:
        self.known = model.of(state)
        self.calibration, self.numbers = self.known.calibration, self.known.numbers
        self.fixed: tuple[float, list[str]] | None = None
        self.state = state
        self.first_ns, self.end_ns = span_ns
        self.spans = tuple(rate_at(application.arrivals, self.first_ns) for application in model.group.applications)
        self.arrived = [0] * len(self.spans)
        self.before = np.zeros(model.series_count)
        self.before[: len(before)] = before


class Reading(NamedTuple):
    """A node's moving values, by slot, at a time and at the start of the period before it."""

    calibration: Calibration
    values: NDArray[np.float64]
    earlier: NDArray[np.float64]
    period_seconds: float

    def grown(self, slot: int) -> int:
        """What a counter gained in the period, in whole ones as pages show them."""
        return int(self.values[slot] + 1e-6) - int(self.earlier[slot] + 1e-6)


class FleetNode:
    """One node. Its figures follow from the fleet's seed and the time; it remembers only how far it has computed."""

    def __init__(self, fleet: Fleet, name: NodeName, model: GroupModel) -> None:
        """A node of the model's group."""
        self.name = name
        self._model = model
        self._draws = Draws(fleet.seed, name.number)
        self._timeline = Timeline(model.group, name.place, self._draws)
        self._segment: _Segment | None = None
        self._boot_ns = 0
        zone = model.group.zone
        digest = hashlib.sha256(f"{fleet.seed} {name.name}".encode()).hexdigest()
        region = zone.rstrip("abcdefghijklmnopqrstuvwxyz")
        self.labels = labels_of(
            (name.name, f"i-{digest[:17]}", model.group.instance, zone, region, f"subnet-{digest[17:34]}")
        )

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The operator's faults."""
        return self._timeline.manual

    @faults.setter
    def faults(self, faults: tuple[Fault, ...]) -> None:
        if faults != self._timeline.manual:
            self._timeline.manual = faults
            self._segment = None

    def incidents(self, first_ns: int, end_ns: int) -> Iterator[tuple[str, int, int]]:
        """See :meth:`.timeline.Timeline.incidents`."""
        return self._timeline.incidents(first_ns, end_ns)

    def state(self, at_ns: int) -> State | None:
        """The state at a time; ``None``: the node is down."""
        return None if self._timeline.boot_ns(at_ns) is None else self._timeline.at(at_ns)[0]

    def page(self, at_ns: int, start_unix_seconds: float = 0.0) -> str | None:
        """The metrics page at a time since the fleet's start; ``None``: the node is down.

        Args:
            at_ns: at least 0.
            start_unix_seconds: when the fleet started.

        Raises:
            UsageError: the group's applications cannot run as the file says.
        """
        segment = self._at(at_ns)
        if segment is None:
            return None
        known = segment.known
        values = self._values(segment, at_ns, known.moving)
        shown = self._fixed(segment, start_unix_seconds).copy()
        whole = np.floor(values + 1e-6).astype(np.int64).tolist()
        for line, value in zip(known.moving_lines, map(str, whole), strict=True):
            shown[line] = value
        for place in known.decimal_places:
            shown[known.moving_lines[place]] = repr(round(float(values[place]), 9))
        parts = list(known.calibration.text)
        parts[1::4] = [self.labels] * len(shown)
        parts[3::4] = shown
        return "".join([*parts, "\n"])

    def reading(self, at_ns: int) -> Reading | None:
        """All moving values at a time, and a period before it; ``None``: the node is down."""
        segment = self._at(at_ns)
        if segment is None:
            return None
        since_ns = max(segment.first_ns, at_ns - _PERIOD_NS)
        return Reading(
            segment.calibration,
            self._values(segment, at_ns, segment.known.every),
            self._values(segment, since_ns, segment.known.every),
            max(1e-9, (at_ns - since_ns) / 1e9),
        )

    def _fixed(self, segment: _Segment, start_unix_seconds: float) -> list[str]:
        """Values of the page's lines that do not move within the segment; for those that do, anything."""
        if segment.fixed is None or segment.fixed[0] != start_unix_seconds:
            known = segment.known
            shown = list(known.calibration.values)
            before = segment.before[known.numbers]
            for slot, line in enumerate(known.calibration.slots):
                value = float(before[slot])
                shown[line] = repr(round(value, 9)) if known.calibration.decimal[slot] else str(int(value + 1e-6))
            boot = repr(start_unix_seconds + self._boot_ns / 1e9)
            for line in known.calibration.boots:
                shown[line] = boot
            segment.fixed = start_unix_seconds, shown
        return segment.fixed[1]

    def blocks(self, at_ns: NDArray[np.int64], slots: Callable[[Calibration], NDArray[np.int64]]) -> Iterator[Block]:
        """Moving values at many times, state by state: those that :meth:`page` shows.

        Args:
            at_ns: ascending.
            slots: chooses the slots of a state.
        """
        low = 0
        while low < len(at_ns):
            first_ns = int(at_ns[low])
            segment = self._at(first_ns)
            if segment is None:
                low += 1
                continue
            end_ns = min(segment.end_ns, self._timeline.up_until_ns(first_ns))
            high = int(np.searchsorted(at_ns, end_ns, "left"))
            made = segment.calibration
            wanted = slots(made)
            values = self._many(segment, at_ns[low:high], wanted)
            whole = ~made.decimal[wanted]
            values[whole] = np.floor(values[whole] + 1e-6)
            values[~whole] = np.round(values[~whole], 9)
            yield Block(made, low, high, wanted, values)
            low = high

    def _many(self, segment: _Segment, at_ns: NDArray[np.int64], slots: NDArray[np.int64]) -> NDArray[np.float64]:
        """As :meth:`_values`, a column per time."""
        made = segment.calibration
        driver, slope, gauge = made.driver[slots], made.slope[slots, None], made.gauge[slots]
        since_ns = np.maximum(segment.first_ns, at_ns - _PERIOD_NS)
        times_ns, places = np.unique(np.concatenate([at_ns, since_ns]) if gauge.any() else at_ns, return_inverse=True)
        counted = self._ended_many(segment, times_ns)[:, places]
        ended = counted[:, : len(at_ns)]
        values: NDArray[np.float64] = segment.before[segment.numbers[slots], None] + slope * ended[driver]
        if gauge.any():
            recent = (ended - counted[:, len(at_ns) :]) / np.maximum(1e-9, (at_ns - since_ns) / 1e9)
            values[gauge] = np.minimum(1.0, slope[gauge] * recent[driver[gauge]])
        return values

    def _ended_many(self, segment: _Segment, at_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """As :meth:`_ended`, a column per time."""
        made = np.zeros((len(segment.spans) + 1, len(at_ns)))
        made[-1] = (at_ns - segment.first_ns) / 1e9
        since_ns = segment.first_ns - self._boot_ns
        for number, application in enumerate(self._model.group.applications):
            rate = segment.state.rates[number]
            if rate is None or segment.state.faults:
                per_second = segment.calibration.ended_per_second[number]
                made[number] = np.trunc((at_ns - self._boot_ns) / 1e9 * per_second) - int(since_ns / 1e9 * per_second)
                continue
            until_ns = np.maximum(segment.first_ns, at_ns - segment.calibration.latency_ns[number])
            if application.arrivals.constant is not None:
                elapsed_ns = until_ns - self._boot_ns
                made[number] = np.where(elapsed_ns > 0, np.ceil(elapsed_ns * rate / 1e9), 0) - _evenly(rate, since_ns)
                continue
            _, first_ns, end_ns = segment.spans[number]
            mean = rate * (end_ns - first_ns) / 1e9
            made[number] = self._draws.counts(number, first_ns, end_ns, mean, until_ns) - segment.arrived[number]
        return made

    def _values(self, segment: _Segment, at_ns: int, slots: NDArray[np.int64]) -> NDArray[np.float64]:
        made, numbers = segment.known.calibration, segment.known.numbers
        since_ns = max(segment.first_ns, at_ns - _PERIOD_NS)
        earlier, ended = self._ended(segment, since_ns, at_ns).T
        slope, driver, gauge = made.slope[slots], made.driver[slots], made.gauge[slots]
        values: NDArray[np.float64] = segment.before[numbers[slots]] + slope * ended[driver]
        recent = (ended - earlier) / max(1e-9, (at_ns - since_ns) / 1e9)
        values[gauge] = np.minimum(1.0, slope[gauge] * recent[driver[gauge]])
        return values

    def _at(self, at_ns: int) -> _Segment | None:
        """Compute the events up to a time; from the boot on, if it is not after the last one."""
        boot_ns = self._timeline.boot_ns(at_ns)
        if boot_ns is None:
            return None
        segment = self._segment
        if segment is None or boot_ns != self._boot_ns or at_ns < segment.first_ns:
            self._boot_ns = boot_ns
            segment = self._next(boot_ns, np.zeros(0))
        while at_ns >= segment.end_ns:
            made = segment.calibration
            after = np.zeros(max(self._model.series_count, len(segment.before)))
            after[: len(segment.before)] = segment.before
            ended = self._ended(segment, segment.end_ns, everything=True)[:, 0]
            growth = made.slope * ended[made.driver]
            growth[made.gauge] = 0.0
            after[segment.numbers] += growth
            segment = self._next(segment.end_ns, after)
        self._segment = segment
        return segment

    def _next(self, first_ns: int, before: NDArray[np.float64]) -> _Segment:
        state, end_ns = self._timeline.at(first_ns)
        segment = _Segment(self._model, state, (first_ns, end_ns), before)
        for number, span in enumerate(segment.spans):
            if span.first_ns < first_ns and self._random(number):
                segment.arrived[number] = self._arrived(number, segment, first_ns)
        return segment

    def _random(self, number: int) -> bool:
        arrivals = self._model.group.applications[number].arrivals
        return arrivals.constant is None and arrivals.closed is None

    def _ended(self, segment: _Segment, *times_ns: int, everything: bool = False) -> NDArray[np.float64]:
        """Executions of each application that ended in the segment, and its seconds; a column per time."""
        made: list[list[float]] = [
            [self._ended_of(segment, number, application, at_ns, everything=everything) for at_ns in times_ns]
            for number, application in enumerate(self._model.group.applications)
        ]
        made.append([(at_ns - segment.first_ns) / 1e9 for at_ns in times_ns])
        return np.array(made, np.float64)

    def _ended_of(
        self, segment: _Segment, number: int, application: ApplicationSpec, at_ns: int, *, everything: bool
    ) -> int:
        rate = segment.state.rates[number]
        if rate is None or segment.state.faults:
            # Whole ones since the boot, so that no remainder is lost between two states of the same rate.
            per_second = segment.calibration.ended_per_second[number]
            since_ns = segment.first_ns - self._boot_ns
            return int((at_ns - self._boot_ns) / 1e9 * per_second) - int(since_ns / 1e9 * per_second)
        if not everything:
            at_ns = max(segment.first_ns, at_ns - segment.calibration.latency_ns[number])
        if application.arrivals.constant is not None:
            return _evenly(rate, at_ns - self._boot_ns) - _evenly(rate, segment.first_ns - self._boot_ns)
        return self._arrived(number, segment, at_ns) - segment.arrived[number]

    def _arrived(self, number: int, segment: _Segment, at_ns: int) -> int:
        """Random requests of an application in ``[start of the drawn interval, at_ns)``."""
        rate, first_ns, end_ns = segment.spans[number]
        mean = (rate or 0.0) * (end_ns - first_ns) / 1e9
        return self._draws.count(number, first_ns, end_ns, mean, at_ns)


def _evenly(rate: float, elapsed_ns: int) -> int:
    """Requests in ``[0, elapsed_ns)`` that come at equal distances, the first at 0."""
    return math.ceil(elapsed_ns * rate / 1e9) if elapsed_ns > 0 else 0


def requests_ns(fleet: Fleet, name: NodeName, number: int, end_ns: int) -> Iterator[int]:
    """Times of the random requests of an application from the start of a node without maintenance until ``end_ns``."""
    draws, at_ns = Draws(fleet.seed, name.number), 0
    arrivals = fleet.groups[name.group].applications[number].arrivals
    while at_ns < end_ns:
        rate, first_ns, at_ns = rate_at(arrivals, at_ns)
        times_ns = draws.times_ns(number, first_ns, at_ns, (rate or 0.0) * (at_ns - first_ns) / 1e9)
        yield from itertools.takewhile(lambda time_ns: time_ns < end_ns, times_ns)


class Nodes:
    """All nodes of a fleet, by name."""

    def __init__(self, fleet: Fleet, folder: Path, *, reduced: bool = False) -> None:
        """``folder``: where the fleet's models are."""
        self.fleet = fleet
        self.models = [GroupModel(fleet, group, folder, reduced=reduced) for group in fleet.groups]
        self.by_name = {name.name: FleetNode(fleet, name, self.models[name.group]) for name in nodes_of(fleet)}

    def prepare(self, at_ns: int = 0) -> int:
        """Measure each group's state at a time, so that no scrape waits for it; returns how many states are known.

        Raises:
            UsageError: applications of a group cannot run as the file says.
        """
        firsts = {name.group: name for name in reversed(nodes_of(self.fleet))}
        for group, model in enumerate(self.models):
            for at in _level_starts(model.group.applications, at_ns):
                state, _ = Timeline(model.group, 0, Draws(self.fleet.seed, firsts[group].number)).at(at)
                model.of(state._replace(faults=()))
        return sum(model.state_count for model in self.models)


def _level_starts(applications: Sequence[ApplicationSpec], at_ns: int) -> list[int]:
    """Times at which every level of the load is met."""
    starts = {at_ns}
    for application in applications:
        curve = application.arrivals.diurnal
        if curve is not None:
            period_ns = nanoseconds_of(curve.period)
            starts |= {at_ns + period_ns * step // LEVELS for step in range(LEVELS)}
    return sorted(starts)
