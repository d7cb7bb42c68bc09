"""Clients under a virtual clock, as processes: they execute back to back, or when requests arrive."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count, cycle

from runtime_core.engine.execution import LoadedModel
from runtime_core.engine.executor import Engine
from runtime_core.status import NrtError, NrtStatus
from runtime_core.virtual.clock import Process
from runtime_core.virtual.direct import can_be_placed_directly, execution_of, one_stage_loop
from runtime_core.virtual.executions import RETRY_NS, Stop, was_closed


class RequestQueue:
    """Requests that wait for a worker, in order of arrival.

    Attributes:
        late: requests for which no worker was free when they arrived.
        refused: requests that arrived when the queue was full.
    """

    def __init__(self, arrivals: Iterator[int], *, limit: int | None = None) -> None:
        """Queue requests from ``arrivals`` (times in nanoseconds, ascending); at most ``limit`` can wait."""
        self._arrivals = arrivals
        self._limit = limit
        self._waiting: deque[int] = deque()
        self._next = next(arrivals, None)
        self.late = self.refused = 0

    def take(self, now_ns: int) -> tuple[int | None, int]:
        """Return the next request for a free worker.

        An idle worker holds the next request, so no worker was free for requests that arrived since the last call.

        Returns:
            Arrival time of the request (``None`` if there are no more), and the number of requests refused meanwhile.
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
    """A worker of a pool, which executes requests on ``models`` in turn. Latency is measured from the arrival.

    Args:
        engine: an engine under a virtual clock.
        models: models loaded on it.
        queue: the requests of the pool.
        stop: stops the worker.
    """
    stop = stop or Stop()
    turns = cycle([(model, execution_of(engine, model)) for model in models])
    now_ns = yield 0
    while not stop.asked:
        model, execute = next(turns)
        due_ns, refused = queue.take(now_ns)
        for _ in range(refused):
            engine.count_queue_full(model)
        if due_ns is None:
            return
        if due_ns > now_ns:
            now_ns = yield due_ns
        if stop.asked or model.unloaded:
            return
        now_ns = yield from execute(now_ns, due_ns, 0)


def request_loop(
    engine: Engine,
    copies_of: Callable[[int], Sequence[LoadedModel]],
    latencies_ns: Counter[int],
    *,
    start_ns: int = 0,
    queue: RequestQueue | None = None,
    stop: Stop | None = None,
) -> Process:
    """A client whose requests consist of several executions. They start together; the request ends with the last one.

    Args:
        engine: an engine under a virtual clock.
        copies_of: returns the models that execute a request, given its number.
        latencies_ns: receives the number of successful requests by latency.
        start_ns: time of the first request.
        queue: the requests of a pool of workers; default: one request after the other.
        stop: stops the client.
    """
    stop = stop or Stop()
    now_ns = yield start_ns
    for number in count():
        if stop.asked:
            return
        models = copies_of(number)
        since_ns = now_ns
        if queue is not None:
            due_ns, refused = queue.take(now_ns)
            for _ in range(refused * len(models)):
                engine.count_queue_full(models[0])
            if due_ns is None:
                return
            since_ns = due_ns
            if due_ns > now_ns:
                now_ns = yield due_ns
        if any(model.unloaded for model in models):
            return
        started = []
        for model in models:
            with suppress(NrtError):
                started.append((model, engine.start(model, now_ns)))
        arrival_ns = now_ns
        now_ns = yield max((placed.end_ns for _, placed in started), default=now_ns + RETRY_NS)
        if was_closed(engine):
            return
        ended = [engine.finish(model, placed, placed.end_ns - arrival_ns) for model, placed in started]
        if len(ended) == len(models) and all(one.status is NrtStatus.SUCCESS for one in ended):
            latencies_ns[now_ns - since_ns] += 1


def closed_loop(
    engine: Engine, model: LoadedModel, *, start_ns: int = 0, think_ns: int = 0, stop: Stop | None = None
) -> Process:
    """A client that executes, waits for the end, pauses, and repeats until it is stopped or the model is unloaded.

    Args:
        engine: an engine under a virtual clock.
        model: a model loaded on it.
        start_ns: time of the first execution.
        think_ns: pause between two executions.
        stop: stops the client.
    """
    stop = stop or Stop()
    if think_ns == 0 and len(model.plan.stages) == 1 and can_be_placed_directly(engine, model):
        return one_stage_loop(engine, model, start_ns, stop)
    return _general_loop(engine, model, start_ns, think_ns, stop)


def _general_loop(engine: Engine, model: LoadedModel, start_ns: int, think_ns: int, stop: Stop) -> Process:
    execute = execution_of(engine, model)
    now_ns = yield start_ns
    while not (stop.asked or model.unloaded):
        now_ns = yield from execute(now_ns, now_ns, RETRY_NS)
        if think_ns and not stop.asked:
            now_ns = yield now_ns + think_ns
