"""A discrete-event clock: time jumps from event to event, as fast as the machine can process them.

Events come from *processes*: generators that are resumed with the time and yield the time at which to resume them next.
At equal times they run in the order in which they were spawned, so equal programs give equal histories.

Clients, which only execute models, are in a separate queue. They run without further checks until the next event of any
other process, because such an event may change the node.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from heapq import heappop, heappush, heapreplace
from typing import TypeAlias

Process: TypeAlias = Generator[int, int, None]
"""A generator that is resumed with the time in nanoseconds and yields its next time; the first one is its start."""

_Step: TypeAlias = Callable[[int], int]
_Heap: TypeAlias = list[tuple[int, int, _Step]]

FOREVER_NS = 1 << 62


class VirtualClock:
    """A :class:`runtime_core.engine.clock.Clock` whose time moves from event to event. Not thread-safe.

    Attributes:
        before_clients: called each time before clients run, because the node may have changed.
    """

    def __init__(self, start_ns: int = 0) -> None:
        """Start at ``start_ns``."""
        self._now_ns = start_ns
        self._node: _Heap = []
        self._clients: _Heap = []
        self._spawned = 0
        self._running = False
        self.before_clients: Callable[[], object] | None = None

    def now_ns(self) -> int:
        """Return the time. Processes use the time with which they are resumed instead."""
        return self._now_ns

    def sleep_until(self, deadline_ns: int) -> None:
        """Run until ``deadline_ns``. Processes must not call this."""
        self.run(deadline_ns)

    def spawn(self, process: Process, *, client: bool = False) -> None:
        """Start a process at the first time that it yields, or now if that time has passed.

        Args:
            process: a generator that has not been started.
            client: the process only executes models.
        """
        heap = self._clients if client else self._node
        at_ns = next(process, None)
        if at_ns is not None:
            self._push(heap, max(at_ns, self._now_ns), process.send)

    def call_at(self, at_ns: int, action: Callable[[int], object]) -> None:
        """Call ``action`` once with the time, at ``at_ns`` or now if that time has passed. It may change the node."""

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
        """Run all events up to and including ``until_ns``, and set the clock to that time.

        At equal times, clients run first. An exception in a process ends the run, and the clock stays at its time.

        Raises:
            RuntimeError: a process called this; it must yield instead.
        """
        if self._running:
            raise RuntimeError("the virtual clock is already running: a process waits by yielding a time")
        self._running = True
        try:
            node = self._node
            while node and node[0][0] <= until_ns:
                at_ns = node[0][0]
                self._run_clients(at_ns)
                self._now_ns = at_ns
                _work_off(node, at_ns)
            self._run_clients(until_ns)
            self._now_ns = max(self._now_ns, until_ns)
        finally:
            self._running = False

    def _run_clients(self, until_ns: int) -> None:
        clients = self._clients
        if clients:
            if self.before_clients is not None:
                self.before_clients()
            _work_off(clients, until_ns)


def _work_off(heap: _Heap, until_ns: int) -> None:
    """Run the processes of one heap up to ``until_ns``. The process at the top stays there while it runs.

    New processes that it spawns run later, or at the same time with a higher number.
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
            raise ValueError(f"a process requested at {now_ns} ns to resume at {next_ns} ns, which has passed")
        heapreplace(heap, (next_ns, number, step))
