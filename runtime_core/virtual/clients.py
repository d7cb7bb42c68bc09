"""Clients of applications under a virtual clock, as processes: back to back, or as requests arrive."""

from __future__ import annotations

from bisect import insort
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from itertools import count

from runtime_core.driver.pages.buffered import BufferedPage
from runtime_core.driver.pages.timeline import BACKLOG_FLOPS, BACKLOG_NS, BUSY_NS, FLOPS, FREE_AT_NS
from runtime_core.engine.execution import LoadedModel
from runtime_core.engine.executor import Engine
from runtime_core.engine.outcomes import outcome_of
from runtime_core.engine.plan import Placed
from runtime_core.status import NrtError, NrtStatus
from runtime_core.virtual.clock import Process

RETRY_NS = 1_000_000
"""Pause of a client after a refused execution, so that time passes."""


class Stop:
    """Tells clients to end after the execution that runs."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        """Not asked yet."""
        self.asked = False


class RequestQueue:
    """Requests that wait for a worker of a pool, in order of arrival.

    Attributes:
        late: requests for which no worker was free when they arrived.
        refused: requests that arrived when the queue was full.
    """

    def __init__(self, arrivals: Iterator[int], *, limit: int | None = None) -> None:
        """Take requests from ``arrivals`` (times in nanoseconds, ascending); at most ``limit`` wait."""
        self._arrivals = arrivals
        self._limit = limit
        self._waiting: deque[int] = deque()
        self._next = next(arrivals, None)
        self.late = self.refused = 0

    def take(self, now_ns: int) -> tuple[int | None, int]:
        """For a free worker: when its request arrives (``None``: there are no more), and how many were refused.

        An idle worker holds the next request, so no worker was free for those that arrived since the last call.
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
    """One worker of a pool: executes requests when it is free, on ``models`` in turn; latency counts from the arrival.

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


def request_loop(
    engine: Engine,
    copies_of: Callable[[int], Sequence[LoadedModel]],
    latencies_ns: Counter[int],
    *,
    start_ns: int = 0,
    queue: RequestQueue | None = None,
    stop: Stop | None = None,
) -> Process:
    """A client whose requests are several executions that start together; a request ends with the last of them.

    Args:
        engine: under a virtual clock.
        copies_of: the models that execute a request, given its number.
        latencies_ns: counts the requests that succeed, by latency.
        start_ns: of the first request.
        queue: requests to take, shared by the workers of a pool; default: one after the other.
        stop: how to end it.
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
        ended = [engine.finish(model, placed, placed.end_ns - arrival_ns) for model, placed in started]
        if len(ended) == len(models) and all(one.status is NrtStatus.SUCCESS for one in ended):
            latencies_ns[now_ns - since_ns] += 1


def closed_loop(
    engine: Engine, model: LoadedModel, *, start_ns: int = 0, think_ns: int = 0, stop: Stop | None = None
) -> Process:
    """A client that executes, waits for the end, pauses, and executes again until stopped or the model is unloaded.

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

    A refused execution was counted by the engine, and is over after ``retry_ns``.
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
    """Whether a model is one stage and nothing else, that cannot time out, without jitter, on a buffered page."""
    stages = model.plan.stages
    return (
        len(stages) == 1
        and not (stages[0].cpu_ns or model.plan.tail_cpu_ns or engine.has_jitter)
        and max(stages[0].duration_ns) <= model.timeout_ns
        and isinstance(engine.page, BufferedPage)
    )


def _direct_loop(engine: Engine, model: LoadedModel, start_ns: int, stop: Stop) -> Process:
    """:func:`closed_loop` for one stage: ``place_execution``, ``HostQueue.take``, ``reserved`` and ``count`` in one.

    Long simulations spend their time here. Tests hold it equal to the general way.
    """
    page = engine.page
    assert isinstance(page, BufferedPage)  # noqa: S101 - asked before
    plan = model.plan
    (stage,) = plan.stages
    durations_ns, flops, core = stage.duration_ns, stage.flops, stage.core
    timeline, busy_until = page.timeline(core), page.shared_busy_until_ns
    first, second, third = stage.neighbours
    outcome = outcome_of(NrtStatus.SUCCESS)
    tally = page.tally((model.distinct_cores, outcome.execution, outcome.core_status, outcome.error))
    count_one = tuple(tally.totals_ns(duration_ns).append for duration_ns in durations_ns)
    host, pcie, device = engine.shares.host, engine.shares.pcie_free_at_ns, plan.pcie_device
    vcpu_ends, vcpu_count, pcie_ns = host.ends_ns, len(host.slowdown), plan.pcie_ns
    # By the number of other busy vCPUs: all host work, its part before the stage, its part after.
    works = tuple(
        (
            int(plan.host_ns * slowdown),
            int(plan.before.work_ns * slowdown) + plan.before.transfer_ns,
            plan.after.transfer_ns + int(plan.after.work_ns * slowdown),
        )
        for slowdown in host.slowdown
    )
    now_ns = yield start_ns
    while not stop.asked:
        if not model.steady:
            if model.unloaded:
                return
            now_ns = yield from _execution(engine, model, now_ns, now_ns, RETRY_NS)
            continue
        arrival_ns = ready_ns = now_ns
        while vcpu_ends and vcpu_ends[0] <= now_ns:
            del vcpu_ends[0]
        if len(vcpu_ends) == vcpu_count:
            ready_ns = vcpu_ends.pop(0)
        work_ns, lead_ns, tail_ns = works[len(vcpu_ends)]
        host.given_ns += work_ns
        insort(vcpu_ends, ready_ns + work_ns)
        ready_ns += lead_ns
        sent_ns = pcie[device]
        pcie[device] = sent_ns = (sent_ns if sent_ns > now_ns else now_ns) + pcie_ns
        if sent_ns > ready_ns:
            ready_ns = sent_ns
        active = (busy_until[first] > now_ns) + (busy_until[second] > now_ns) + (busy_until[third] > now_ns)
        duration_ns = durations_ns[active]
        free_at_ns = timeline[FREE_AT_NS]
        if free_at_ns > now_ns:
            backlog_ns = timeline[BACKLOG_NS]
            left_ns = free_at_ns - now_ns
            if left_ns > backlog_ns:
                left_ns = backlog_ns
            timeline[BACKLOG_FLOPS] = flops - (-timeline[BACKLOG_FLOPS] * left_ns // backlog_ns)
            timeline[BACKLOG_NS] = left_ns + duration_ns
            end_ns = (free_at_ns if free_at_ns > ready_ns else ready_ns) + duration_ns
        else:
            timeline[BACKLOG_FLOPS] = flops
            timeline[BACKLOG_NS] = duration_ns
            end_ns = ready_ns + duration_ns
        timeline[BUSY_NS] += duration_ns
        timeline[FLOPS] += flops
        timeline[FREE_AT_NS] = busy_until[core] = end_ns
        now_ns = yield end_ns + tail_ns
        if model.steady:
            count_one[active](now_ns - arrival_ns)
        else:
            engine.finish(model, Placed(end_ns, duration_ns, NrtStatus.SUCCESS), now_ns - arrival_ns)
