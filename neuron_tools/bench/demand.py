"""Simulate a setup under a demand: samples arrive at random and form batches for the copy that is free first."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from neuron_tools.bench.setups import Setup
from runtime_core.engine.execution import LoadedModel
from runtime_core.engine.executor import Engine
from runtime_core.neff.model import Neff
from runtime_core.status import NrtError
from runtime_core.virtual.clock import Process
from runtime_core.virtual.node import VirtualNode

_SAMPLES = 8_000
"""Samples of a trial: 80 of them are beyond the 99th percentile."""
_WARM_UP_SHARE = 0.1
_SLICES = 16


class Demand(NamedTuple):
    """A demand: Poisson arrivals of ``rate_per_second`` samples, from ``seed``; 99 % of them within ``p99_ns``.

    ``jitter``: vary execution times. ``margin``: share by which every time is increased.
    """

    rate_per_second: float
    p99_ns: int
    seed: int = 0
    jitter: bool = False
    margin: float = 0.0


class Trial(NamedTuple):
    """Result of a setup under a demand.

    Attributes:
        latencies_ns: latency of samples, from arrival to response -> number of samples.
        utilization: utilization of the used cores, 0..1.
        in_flight: most simultaneous executions of one copy, which is the number of clients that it needs.
        failures: executions that failed.
    """

    latencies_ns: Counter[int]
    utilization: float
    in_flight: int
    failures: int


def try_setup(setup: Setup, neff: Neff, demand: Demand, *, give_up: bool = False) -> Trial:
    """Simulate the demand under the virtual clock, for several thousand samples.

    Args:
        setup: the setup.
        neff: the model in the shape of the setup.
        demand: the demand.
        give_up: stop as soon as more than 1 % of the samples are late.

    Raises:
        NrtError: the copies do not fit in the devices' memory.
    """
    with VirtualNode(setup.instance_type, seed=demand.seed) as node:
        runtime = node.runtime(
            cores=f"0-{setup.cores - 1}", tag="neuron-bench", command="neuron-bench --advise", jitter=demand.jitter
        )
        models = [runtime.load(neff, setup.first_core(copy)) for copy in range(setup.models)]
        for model in models:
            model.plan = model.plan.slowed(1 + demand.margin)
        most_late = _SAMPLES // 100 if give_up else _SAMPLES
        dispatcher = _Dispatcher(runtime.engine, models, round(_WARM_UP_SHARE * _SAMPLES), demand.p99_ns, most_late)
        node.clock.spawn(dispatcher.serve(_batches(demand, setup.batch)))
        until_ns = round(_SAMPLES / demand.rate_per_second * 1e9)
        while node.clock.now_ns() < until_ns and not dispatcher.gave_up:
            node.run(min(until_ns, node.clock.now_ns() + until_ns // _SLICES + 1))
        busy_ns = sum(runtime.engine.page.busy_ns(core) for core in runtime.cores)
        return Trial(
            dispatcher.latencies_ns,
            min(1.0, busy_ns / max(until_ns, dispatcher.last_end_ns) / setup.cores),
            dispatcher.in_flight,
            dispatcher.failures,
        )


def _batches(demand: Demand, size: int) -> Iterator[list[int]]:
    """Yield the arrival times of samples, in full batches."""
    rng = random.Random(demand.seed)  # noqa: S311 - chance that can be repeated
    at_seconds = 0.0
    gathered: list[int] = []
    for _ in range(_SAMPLES):
        at_seconds += rng.expovariate(demand.rate_per_second)
        gathered.append(round(at_seconds * 1e9))
        if len(gathered) == size:
            yield gathered
            gathered = []


class _Dispatcher:
    """Sends each batch to the copy whose first core is free first."""

    def __init__(
        self, engine: Engine, models: list[LoadedModel], warm_up_samples: int, limit_ns: int, most_late: int
    ) -> None:
        self._engine = engine
        self._models = models
        self._to_skip = warm_up_samples
        self._limit_ns = limit_ns
        self._late_left = most_late
        self.gave_up = False
        self.latencies_ns: Counter[int] = Counter()
        self.failures = 0
        self.in_flight = 0
        self.last_end_ns = 0

    def serve(self, batches: Iterator[list[int]]) -> Process:
        """Place each batch when its last sample has arrived; the end of its execution is then known."""
        engine, models = self._engine, self._models
        free_at_ns = [(0, copy) for copy in range(len(models))]
        running: list[list[int]] = [[] for _ in models]
        yield 0
        for arrivals in batches:
            now_ns = yield arrivals[-1]
            _, copy = heappop(free_at_ns)
            model = models[copy]
            try:
                placed = engine.start(model, now_ns)
            except NrtError:
                self.failures += 1
                heappush(free_at_ns, (now_ns, copy))
                continue
            engine.finish(model, placed, placed.end_ns - now_ns)
            stages = model.plan.stages
            free_ns = engine.page.busy_until_ns(stages[0].core) if stages else placed.end_ns
            heappush(free_at_ns, (free_ns, copy))
            ends = running[copy]
            while ends and ends[0] <= now_ns:
                heappop(ends)
            heappush(ends, placed.end_ns)
            self.in_flight = max(self.in_flight, len(ends))
            self.last_end_ns = max(self.last_end_ns, placed.end_ns)
            if self._to_skip > 0:
                self._to_skip -= len(arrivals)
            else:
                latencies_ns = [placed.end_ns - at_ns for at_ns in arrivals]
                self.latencies_ns.update(latencies_ns)
                self._late_left -= sum(latency_ns > self._limit_ns for latency_ns in latencies_ns)
                if self._late_left < 0:
                    self.gave_up = True
                    return
