"""A discrete-event clock: time jumps from event to event, as fast as the machine can work them off.

What happens in virtual time are *processes*: generators that are resumed with the time and yield the time at which they
want to be resumed next. At equal times they run in the order in which they were spawned, so that equal programs give
equal histories.

Chips whose executions can't touch one another run by themselves until the next event that concerns the whole node: a
process that only places executions on the cores of one chip is spawned on that chip, every other one on the node.
A process of a chip sees nothing of other chips, and must not touch them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from heapq import heappop, heappush, heapreplace
from typing import TypeAlias

Process: TypeAlias = Generator[int, int, None]
"""Resumed with the time in nanoseconds; yields when it wants to be resumed. What it yields first is when it starts."""

_Step: TypeAlias = Callable[[int], int]
_Heap: TypeAlias = list[tuple[int, int, _Step]]

FOREVER_NS = 1 << 62


class VirtualClock:
    """A :class:`runtime_core.engine.clock.Clock` whose time passes by events. For one thread.

    Attributes:
        before_chips: called each time before chips run by themselves, since the node may have changed for them.
    """

    def __init__(self, start_ns: int = 0) -> None:
        """Stand at ``start_ns``."""
        self._now_ns = start_ns
        self._node: _Heap = []
        self._chips: dict[int, _Heap] = {}
        self._spawned = 0
        self._running = False
        self.before_chips: Callable[[], object] | None = None

    def now_ns(self) -> int:
        """The time. A process is told its own time when it is resumed, and goes by that."""
        return self._now_ns

    def sleep_until(self, deadline_ns: int) -> None:
        """Let everything happen until ``deadline_ns``; for the program around the processes, not for a process."""
        self.run(deadline_ns)

    def spawn(self, process: Process, *, chip: int | None = None) -> None:
        """Start a process at the time that it yields first, or now where that has passed.

        Args:
            process: not yet started.
            chip: the Neuron Device that it keeps to; ``None``: it may touch the whole node.
        """
        heap = self._node if chip is None else self._chips.setdefault(chip, [])
        at_ns = next(process, None)
        if at_ns is not None:
            self._push(heap, max(at_ns, self._now_ns), process.send)

    def call_at(self, at_ns: int, action: Callable[[int], object]) -> None:
        """Call ``action`` once with the time, at ``at_ns`` or now where that has passed; it may touch the node."""

        def once(now_ns: int) -> int:
            action(now_ns)
            raise StopIteration

        self._push(self._node, max(at_ns, self._now_ns), once)

    def call_every(self, period_ns: int, action: Callable[[int], object], *, first_ns: int | None = None) -> None:
        """Call ``action`` with the time every ``period_ns``, first at ``first_ns`` (default: after one period)."""
        if period_ns < 1:
            raise ValueError(f"period of {period_ns} ns: expected 1 or more")

        def again(now_ns: int) -> int:
            action(now_ns)
            return now_ns + period_ns

        self._push(self._node, max(self._now_ns + period_ns if first_ns is None else first_ns, self._now_ns), again)

    def _push(self, heap: _Heap, at_ns: int, step: _Step) -> None:
        self._spawned += 1
        heappush(heap, (at_ns, self._spawned, step))

    def run(self, until_ns: int) -> None:
        """Let everything happen up to and including ``until_ns``, and stand there.

        At equal times, chips go first. What a process raises ends the run; the clock then stands where it happened.

        Raises:
            RuntimeError: called from within a process, which must yield instead.
        """
        if self._running:
            raise RuntimeError("the virtual clock runs already: a process waits by yielding a time")
        self._running = True
        try:
            node = self._node
            while node and node[0][0] <= until_ns:
                at_ns = node[0][0]
                self._run_chips(at_ns)
                self._now_ns = at_ns
                _work_off(node, at_ns)
            self._run_chips(until_ns)
            self._now_ns = max(self._now_ns, until_ns)
        finally:
            self._running = False

    def _run_chips(self, until_ns: int) -> None:
        if self._chips and self.before_chips is not None:
            self.before_chips()
        for heap in self._chips.values():
            if heap and heap[0][0] <= until_ns:
                _work_off(heap, until_ns)


def _work_off(heap: _Heap, until_ns: int) -> None:
    """Run the processes of one heap up to ``until_ns``. The one at the top stays there while it runs.

    What it spawns comes later, or at the same time with a higher number.
    """
    while heap:
        now_ns, number, step = heap[0]
        if now_ns > until_ns:
            return
        try:
            next_ns = step(now_ns)
        except StopIteration:
            heappop(heap)
            continue
        if next_ns < now_ns:
            raise ValueError(f"a process asked at {now_ns} ns to be resumed at {next_ns} ns, which has passed")
        heapreplace(heap, (next_ns, number, step))
