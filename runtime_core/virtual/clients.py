"""Applications' clients under a virtual clock, as processes: back to back, or as requests arrive."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence

from runtime_core.driver.pages.buffered import BufferedPage
from runtime_core.driver.pages.timeline import BACKLOG_FLOPS, BACKLOG_NS, BUSY_NS, FLOPS, FREE_AT_NS
from runtime_core.engine.execution import LoadedModel
from runtime_core.engine.executor import Engine
from runtime_core.engine.outcomes import outcome_of
from runtime_core.engine.plan import Placed
from runtime_core.status import NrtError, NrtStatus
from runtime_core.virtual.clock import Process

RETRY_NS = 1_000_000
"""Pause of a client in a loop after an execution that was refused: it must not ask for ever at one time."""


class Stop:
    """Told to clients: end after the execution that runs."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        """Not asked yet."""
        self.asked = False


class RequestQueue:
    """Requests that wait for a worker of a pool, first come, first served.

    Attributes:
        late: requests that found no free worker when they arrived.
        refused: requests that found the queue full.
    """

    def __init__(self, arrivals: Iterator[int], *, limit: int | None = None) -> None:
        """Take requests from ``arrivals`` (times in nanoseconds, ascending); at most ``limit`` wait."""
        self._arrivals = arrivals
        self._limit = limit
        self._waiting: deque[int] = deque()
        self._next = next(arrivals, None)
        self.late = self.refused = 0

    def take(self, now_ns: int) -> tuple[int | None, int]:
        """For a worker that became free: when its request arrives (``None``: there are no more), how many were refused.

        An idle worker holds the next request to come, so all that came since the last call found nobody free.
        """
        refused = 0
        while self._next is not None and self._next <= now_ns:
            if self._limit is not None and len(self._waiting) >= self._limit:
                refused += 1
            else:
                self._waiting.append(self._next)
            self._next = next(self._arrivals, None)
        self.refused += refused
        if self._waiting:
            due_ns: int | None = self._waiting.popleft()
            self.late += due_ns is not None and due_ns < now_ns
            return due_ns, refused
        due_ns = self._next
        if due_ns is not None:
            self._next = next(self._arrivals, None)
        return due_ns, refused


def open_loop(
    engine: Engine, models: Sequence[LoadedModel], queue: RequestQueue, *, stop: Stop | None = None
) -> Process:
    """One worker of a pool: executes a request when it is free, ``models`` in turn; latency counts from the arrival.

    Args:
        engine: under a virtual clock.
        models: loaded on it.
        queue: shared by the pool's workers.
        stop: how to end it.
    """
    stop = stop or Stop()
    now_ns = yield 0
    number = 0
    while not stop.asked:
        model = models[number % len(models)]
        number += 1
        due_ns, refused = queue.take(now_ns)
        for _ in range(refused):
            engine.count_queue_full(model)
        if due_ns is None:
            return
        if due_ns > now_ns:
            now_ns = yield due_ns
        if stop.asked or model.unloaded:
            return
        now_ns = yield from _execution(engine, model, now_ns, due_ns, 0)


def closed_loop(
    engine: Engine, model: LoadedModel, *, start_ns: int = 0, think_ns: int = 0, stop: Stop | None = None
) -> Process:
    """A client that executes, waits for the end, thinks, and executes again, until told to stop or the model is gone.

    Args:
        engine: under a virtual clock.
        model: loaded on it.
        start_ns: its first execution.
        think_ns: pause between two executions.
        stop: how to end it.
    """
    stop = stop or Stop()
    if think_ns == 0 and can_be_placed_directly(engine, model):
        return _direct_loop(engine, model, start_ns, stop)
    return _general_loop(engine, model, start_ns, think_ns, stop)


def _execution(
    engine: Engine, model: LoadedModel, now_ns: int, since_ns: int, retry_ns: int
) -> Generator[int, int, int]:
    """One execution by the engine, latency counting from ``since_ns``; returns when it is over.

    One that is refused has been counted by the engine, and is over after ``retry_ns``.
    """
    try:
        placed = engine.start(model, now_ns)
    except NrtError:
        return (yield now_ns + retry_ns)
    now_ns = yield placed.end_ns
    engine.finish(model, placed, now_ns - since_ns)
    return now_ns


def _general_loop(engine: Engine, model: LoadedModel, start_ns: int, think_ns: int, stop: Stop) -> Process:
    now_ns = yield start_ns
    while not (stop.asked or model.unloaded):
        now_ns = yield from _execution(engine, model, now_ns, now_ns, RETRY_NS)
        if think_ns and not stop.asked:
            now_ns = yield now_ns + think_ns


def can_be_placed_directly(engine: Engine, model: LoadedModel) -> bool:
    """Whether a model is one stage and nothing else, which can't time out, on a page that collects its counts."""
    stages = model.plan.stages
    return (
        len(stages) == 1
        and not model.plan.uses_vcpus
        and max(stages[0].duration_ns) <= model.timeout_ns
        and isinstance(engine.page, BufferedPage)
    )


def _direct_loop(engine: Engine, model: LoadedModel, start_ns: int, stop: Stop) -> Process:
    """:func:`closed_loop` for one stage: what ``place_execution``, ``reserved`` and ``count`` do, in one place.

    This is where the time of long simulations goes; the tests hold it equal to the general way.
    """
    page = engine.page
    assert isinstance(page, BufferedPage)  # noqa: S101 - asked before
    (stage,) = model.plan.stages
    durations_ns, flops, lead_ns, tail_ns = stage.duration_ns, stage.flops, stage.lead_ns, model.plan.tail_ns
    timeline, busy_until = page.timeline(stage.core), page.shared_busy_until_ns
    core = stage.core
    first, second, third = stage.neighbours
    outcome = outcome_of(NrtStatus.SUCCESS)
    tally = page.tally((model.distinct_cores, outcome.execution, outcome.core_status, outcome.error))
    count = tuple(tally.totals_ns(duration_ns).append for duration_ns in durations_ns)
    now_ns = yield start_ns
    while not stop.asked:
        arrival_ns = now_ns
        if not model.steady:
            if model.unloaded:
                return
            now_ns = yield from _execution(engine, model, now_ns, now_ns, RETRY_NS)
            continue
        active = (busy_until[first] > now_ns) + (busy_until[second] > now_ns) + (busy_until[third] > now_ns)
        duration_ns = durations_ns[active]
        end_ns = now_ns + lead_ns
        free_at_ns = timeline[FREE_AT_NS]
        if free_at_ns > now_ns:
            backlog_ns = timeline[BACKLOG_NS]
            left_ns = free_at_ns - now_ns
            if left_ns > backlog_ns:
                left_ns = backlog_ns
            timeline[BACKLOG_FLOPS] = flops - (-timeline[BACKLOG_FLOPS] * left_ns // backlog_ns)
            timeline[BACKLOG_NS] = left_ns + duration_ns
            if free_at_ns > end_ns:
                end_ns = free_at_ns
        else:
            timeline[BACKLOG_FLOPS] = flops
            timeline[BACKLOG_NS] = duration_ns
        end_ns += duration_ns
        timeline[BUSY_NS] += duration_ns
        timeline[FLOPS] += flops
        timeline[FREE_AT_NS] = busy_until[core] = end_ns
        now_ns = yield end_ns + tail_ns
        if model.steady:
            count[active](now_ns - arrival_ns)
        else:
            engine.finish(model, Placed(end_ns, duration_ns, NrtStatus.SUCCESS), now_ns - arrival_ns)
