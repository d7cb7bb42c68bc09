"""What executions share beside the cores: the host's vCPUs, PCIe, and the links between chips.

Runtimes under one virtual clock share one :class:`NodeShares`. Under the real clock each process has its own, so it
does not wait for the host work of other processes.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence

from runtime_core.engine.timing.parameters import PARAMETERS
from runtime_core.instance import InstanceType

Link = tuple[int, bool]
"""The sending device, and whether it sends eastward."""


class Calendar:
    """When one thing is in use, from now on: intervals that do not overlap, ascending.

    A use takes the first gap that is long enough, so that one planned for later leaves the time until then to others.
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        """Not in use."""
        self._starts: list[int] = []
        self._ends: list[int] = []

    def use(self, earliest_ns: int, duration_ns: int, now_ns: int) -> int:
        """Use it for ``duration_ns`` in the first gap, not before ``earliest_ns``; returns the end.

        Intervals that ended by ``now_ns`` are dropped.
        """
        ends_ns = self._ends
        if not ends_ns or ends_ns[-1] <= earliest_ns:
            # Most uses are later than all that were planned.
            start_ns = earliest_ns
        else:
            start_ns = self.first_gap_ns(earliest_ns, duration_ns)
        self.take(start_ns, duration_ns, now_ns)
        return start_ns + duration_ns

    def first_gap_ns(self, earliest_ns: int, duration_ns: int) -> int:
        """When it is first free for ``duration_ns`` in a row, not before ``earliest_ns``."""
        at_ns = earliest_ns
        for number in range(bisect_right(self._ends, earliest_ns), len(self._starts)):
            if self._starts[number] - at_ns >= duration_ns:
                break
            at_ns = max(at_ns, self._ends[number])
        return at_ns

    def take(self, start_ns: int, duration_ns: int, now_ns: int) -> None:
        """Use it from ``start_ns`` on, in a gap; intervals that ended by ``now_ns`` are dropped."""
        past = bisect_right(self._ends, now_ns)
        del self._starts[:past], self._ends[:past]
        place = bisect_left(self._starts, start_ns)
        self._starts.insert(place, start_ns)
        self._ends.insert(place, start_ns + duration_ns)


def slowdowns(vcpu_count: int, hyperthread_ratio: float = PARAMETERS.hyperthread_ratio) -> tuple[float, ...]:
    """How much longer a host thread takes than alone, by the number of other vCPUs that are busy.

    Physical cores are half of the vCPUs. Once each has a thread, the second hyperthread of a core adds
    ``hyperthread_ratio`` of a core, and all threads share the total evenly.
    """
    cores = max(1, vcpu_count // 2)
    return tuple(
        busy / (cores + (busy - cores) * hyperthread_ratio) if busy > cores else 1.0
        for busy in range(1, vcpu_count + 1)
    )


class HostQueue:
    """The instance's vCPUs: host work of executions starts in order of arrival, on the vCPU that is free first.

    Attributes:
        ends_ns: when each busy vCPU has done the work that it was given, ascending.
        slowdown: see :func:`slowdowns`.
        given_ns: thread time of all work that was given.
    """

    __slots__ = ("ends_ns", "given_ns", "slowdown")

    def __init__(self, vcpu_count: int) -> None:
        """Idle."""
        self.ends_ns: list[int] = []
        self.slowdown = slowdowns(vcpu_count)
        self.given_ns = 0

    def take(self, arrival_ns: int, work_ns: int) -> tuple[int, float]:
        """Queue the host work of an execution; returns when it starts, and its slowdown.

        Args:
            arrival_ns: not before the last call's, except for what the threads of a real clock differ by.
            work_ns: thread time on an idle physical core.
        """
        ends_ns, start_ns = self.ends_ns, arrival_ns
        while ends_ns and ends_ns[0] <= arrival_ns:
            del ends_ns[0]
        busy, slowdowns = len(ends_ns), self.slowdown
        if busy == len(slowdowns):
            start_ns = ends_ns.pop(0)
            busy -= 1
        slowdown = slowdowns[busy]
        if slowdown != 1.0:
            work_ns = int(work_ns * slowdown)
        self.given_ns += work_ns
        insort(ends_ns, start_ns + work_ns)
        return start_ns, slowdown

    def busy_ns(self, now_ns: int) -> int:
        """Thread time that vCPUs have spent on executions until ``now_ns``, all vCPUs together."""
        return self.given_ns - sum(end_ns - now_ns for end_ns in self.ends_ns if end_ns > now_ns)


class NodeShares:
    """What the executions of a node share.

    Attributes:
        host: the vCPUs.
        pcie_free_at_ns: when the PCIe link of each device has done the transfers that it was given.
    """

    def __init__(self, size: InstanceType) -> None:
        """Nothing is in use."""
        self.guard = threading.Lock()
        self.host = HostQueue(size.vcpu_count)
        self.pcie_free_at_ns = [0] * size.device_count
        self._links: dict[Link, Calendar] = {}

    def calendar(self, link: Link) -> Calendar:
        """When a link is in use."""
        return self._links.setdefault(link, Calendar())

    def send(self, path: Sequence[Link], earliest_ns: int, transfer_ns: int, now_ns: int) -> int:
        """Send over the links of ``path``, one after the other, ``transfer_ns`` in all; returns the time of arrival."""
        at_ns = earliest_ns
        with self.guard:
            for link, hop_ns in zip(path, hops_ns(transfer_ns, len(path)), strict=True):
                at_ns = self.calendar(link).use(at_ns, hop_ns, now_ns)
        return at_ns


def hops_ns(transfer_ns: int, count: int) -> list[int]:
    """The times of ``count`` hops of a transfer, which add up to ``transfer_ns``."""
    return [transfer_ns * (number + 1) // count - transfer_ns * number // count for number in range(count)]
