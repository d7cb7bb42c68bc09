"""What executions share beside the cores: the links between chips, and the vCPUs that CPU nodes run on.

Each is a calendar: a use takes the first gap that is long enough, so that one which is planned for later leaves the
time until then to others. Runtimes under one virtual clock share the calendars; under the real clock each process has
its own, and executions of other processes are not waited for.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from runtime_core.instance import InstanceType

Link = tuple[int, bool]
"""The sending device, and whether it sends eastward."""


class Calendar:
    """When one thing is in use, from now on: intervals that don't overlap, ascending."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        """Not in use."""
        self._starts: list[int] = []
        self._ends: list[int] = []

    def first_gap_ns(self, earliest_ns: int, duration_ns: int) -> int:
        """When it can first be had for ``duration_ns`` in a row, not before ``earliest_ns``."""
        at_ns = earliest_ns
        for number in range(bisect_right(self._ends, earliest_ns), len(self._starts)):
            if self._starts[number] - at_ns >= duration_ns:
                break
            at_ns = max(at_ns, self._ends[number])
        return at_ns

    def take(self, start_ns: int, duration_ns: int, now_ns: int) -> None:
        """Use it from ``start_ns`` on, in a gap; what ended by ``now_ns`` is forgotten."""
        past = bisect_right(self._ends, now_ns)
        del self._starts[:past], self._ends[:past]
        place = bisect_left(self._starts, start_ns)
        self._starts.insert(place, start_ns)
        self._ends.insert(place, start_ns + duration_ns)


class NodeShares:
    """The calendars of a node."""

    def __init__(self, size: InstanceType) -> None:
        """Nothing is in use."""
        self._guard = threading.Lock()
        self._links: dict[Link, Calendar] = {}
        self._vcpus = [Calendar() for _ in range(size.vcpu_count)]

    def send(self, path: Sequence[Link], earliest_ns: int, transfer_ns: int, now_ns: int) -> int:
        """Send over the links of ``path``, one after the other, ``transfer_ns`` in all; returns when it has arrived."""
        at_ns = earliest_ns
        with self._guard:
            for number, link in enumerate(path):
                calendar = self._links.setdefault(link, Calendar())
                # Shares of the time that add up to it, to the nanosecond.
                hop_ns = transfer_ns * (number + 1) // len(path) - transfer_ns * number // len(path)
                start_ns = calendar.first_gap_ns(at_ns, hop_ns)
                calendar.take(start_ns, hop_ns, now_ns)
                at_ns = start_ns + hop_ns
        return at_ns

    def compute(self, earliest_ns: int, duration_ns: int, now_ns: int) -> int:
        """Run a CPU node on the vCPU that can take it first; returns when it is done."""
        with self._guard:
            best_ns, best = -1, self._vcpus[0]
            for calendar in self._vcpus:
                start_ns = calendar.first_gap_ns(earliest_ns, duration_ns)
                if best_ns < 0 or start_ns < best_ns:
                    best_ns, best = start_ns, calendar
                if start_ns == earliest_ns:
                    break
            best.take(best_ns, duration_ns, now_ns)
        return best_ns + duration_ns
