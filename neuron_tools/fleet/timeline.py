"""When a node changes state: steps of the load, failures, faults of the operator, maintenance; all follow the seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from neuron_tools.fleet.calibrate import State
from neuron_tools.fleet.draws import Draws
from neuron_tools.fleet.schema import GroupSpec, failure_event
from neuron_tools.scenario.schema import Arrivals, EventSpec, nanoseconds_of

LEVELS = 24
"""A period of a swinging rate is cut into so many steps of one rate each."""

FOREVER_NS = 1 << 62
_FAILURE_STREAM = 1000


class Fault(NamedTuple):
    """A fault on a node, by the fleet's clock; ``until_ns`` is :data:`FOREVER_NS` while nobody cleared it."""

    at_ns: int
    until_ns: int
    event: EventSpec


class Timeline:
    """The states of one node."""

    def __init__(self, group: GroupSpec, index: int, draws: Draws) -> None:
        """``index``: of the node in its group."""
        self._group = group
        self._draws = draws
        self._failures = [
            (nanoseconds_of(f.every), nanoseconds_of(event.lasting or "0s"), event)
            for f in group.failures
            for event in (failure_event(f),)
        ]
        self._strikes: list[list[Fault]] = [[] for _ in self._failures]
        self.manual: tuple[Fault, ...] = ()
        maintenance = group.maintenance
        self._every_ns = nanoseconds_of(maintenance.every) if maintenance else 0
        self._down_ns = nanoseconds_of(maintenance.lasting) if maintenance else 0
        self._first_ns = self._every_ns * (index + 1) // (group.count + 1)

    def boot_ns(self, at_ns: int) -> int | None:
        """When the node booted that is up at a time; ``None``: it is down for maintenance."""
        if not self._every_ns or at_ns < self._first_ns:
            return 0
        down_ns = self._first_ns + (at_ns - self._first_ns) // self._every_ns * self._every_ns
        return None if at_ns < down_ns + self._down_ns else down_ns + self._down_ns

    def up_until_ns(self, at_ns: int) -> int:
        """When the node that is up at a time goes down for maintenance."""
        if not self._every_ns:
            return FOREVER_NS
        if at_ns < self._first_ns:
            return self._first_ns
        return self._first_ns + ((at_ns - self._first_ns) // self._every_ns + 1) * self._every_ns

    def incidents(self, first_ns: int, end_ns: int) -> Iterator[tuple[str, int, int]]:
        """Failures and maintenance that touch a time: what it is, from when, until when."""
        for number in range(len(self._failures)):
            at_ns = first_ns
            while (strike := self._strike(number, at_ns)).at_ns < end_ns:
                yield str(strike.event.fault), strike.at_ns, strike.until_ns
                at_ns = strike.until_ns
        if self._every_ns:
            down_ns = self._first_ns + max(0, (first_ns - self._first_ns) // self._every_ns) * self._every_ns
            while down_ns < end_ns:
                if down_ns + self._down_ns > first_ns:
                    yield "maintenance", down_ns, down_ns + self._down_ns
                down_ns += self._every_ns

    def at(self, at_ns: int) -> tuple[State, int]:
        """The state at a time, and when it ends."""
        ends = [FOREVER_NS]
        rates = []
        for application in self._group.applications:
            span = rate_at(application.arrivals, at_ns)
            rates.append(span.rate)
            ends.append(span.end_ns)
        faults: list[EventSpec] = []
        for fault in (*self.manual, *self._near(at_ns)):
            if at_ns < fault.at_ns:
                ends.append(fault.at_ns)
            elif at_ns < fault.until_ns:
                faults.append(fault.event)
                ends.append(fault.until_ns)
        return State(tuple(rates), tuple(dict.fromkeys(faults))), min(ends)

    def _near(self, at_ns: int) -> Iterable[Fault]:
        """Of each kind of failure, the strike that lasts at a time or is the next."""
        return (self._strike(number, at_ns) for number in range(len(self._failures)))

    def _strike(self, number: int, at_ns: int) -> Fault:
        every_ns, lasting_ns, event = self._failures[number]
        known = self._strikes[number]
        while not known or known[-1].until_ns <= at_ns:
            gap = self._draws.exponential(_FAILURE_STREAM + number, len(known), every_ns - lasting_ns)
            start_ns = (known[-1].until_ns if known else 0) + 1 + int(gap)
            known.append(Fault(start_ns, start_ns + lasting_ns, event))
        return _first_open(known, at_ns)


def _first_open(strikes: Sequence[Fault], at_ns: int) -> Fault:
    low, high = 0, len(strikes) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if at_ns < strikes[middle].until_ns else (middle + 1, high)
    return strikes[low]


class Span(NamedTuple):
    """A time of one rate; ``rate``: requests per second, ``None`` where clients are closed."""

    rate: float | None
    first_ns: int
    end_ns: int


def rate_at(arrivals: Arrivals, at_ns: int) -> Span:
    """The rate at a time, and from when until when it is the same."""
    curve = arrivals.diurnal
    if curve is None:
        # Random requests are drawn hour by hour; a swinging rate has its steps.
        first_ns, end_ns = (0, FOREVER_NS) if arrivals.poisson is None else _cell(at_ns, 3600 * 10**9, 1)
        return Span(arrivals.constant or arrivals.poisson, first_ns, end_ns)
    period_ns = nanoseconds_of(curve.period)
    step = at_ns * LEVELS // period_ns
    # The mean of the cosine over the step; rounded, so that a rate of the way up is that of the way down.
    first, last = (2 * math.pi * (step % LEVELS + edge) / LEVELS for edge in (0, 1))
    mean = (math.sin(last) - math.sin(first)) / (last - first)
    rate = curve.low + (curve.high - curve.low) * (1 - mean) / 2
    return Span(float(f"{rate:.9g}"), *_cell(at_ns, period_ns, LEVELS))


def _cell(at_ns: int, period_ns: int, parts: int) -> tuple[int, int]:
    number = at_ns * parts // period_ns
    return -(-number * period_ns // parts), -(-(number + 1) * period_ns // parts)
