"""A scenario's node under the virtual clock."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import NamedTuple

from neuron_tools.scenario.arrivals import arrival_times_ns
from neuron_tools.scenario.models import make_model
from neuron_tools.scenario.schema import ApplicationSpec, Scenario, nanoseconds_of, seconds_of
from neuron_tools.scenario.world import StartError, allocate_tensors, stand_still
from runtime_core.driver.faults import slots as faults
from runtime_core.driver.faults.spec import FaultSpec
from runtime_core.driver.reset import reset_device
from runtime_core.engine.execution import LoadedModel
from runtime_core.nrt import Runtime
from runtime_core.status import NrtError
from runtime_core.telemetry import Source, open_source
from runtime_core.virtual.clients import RequestQueue, closed_loop, open_loop
from runtime_core.virtual.executions import Stop
from runtime_core.virtual.node import VirtualNode


class _Running(NamedTuple):
    runtime: Runtime
    stop: Stop


class VirtualWorld:
    """See :class:`neuron_tools.scenario.world.World`."""

    def __init__(self, scenario: Scenario, folder: Path, seed: int) -> None:
        """Set up a node and prepare the models; no application runs yet."""
        self._seed = seed
        self._folder = folder
        self._models = {name: make_model(name, spec, folder) for name, spec in scenario.models.items()}
        self._running: dict[str, list[_Running]] = {}
        self._node = VirtualNode(scenario.instance, seed=seed)
        self.source: Source = open_source(f"sim:{self._node.root}")

    def now_ns(self) -> int:
        """See the protocol."""
        return self._node.clock.now_ns()

    clock_ns = now_ns

    def advance(self, until_ns: int) -> None:
        """See the protocol."""
        self._node.run(until_ns)

    def start(self, number: int, application: ApplicationSpec) -> None:
        """See the protocol."""
        environment = {"NEURON_RT_EXEC_TIMEOUT": str(seconds_of(application.timeout))}
        try:
            runtime = self._node.runtime(
                cores=application.cores, tag=application.tag, command=f"{application.tag}", environment=environment
            )
        except NrtError as error:
            raise StartError(f"{error} (status {error.status.value})") from None
        try:
            models = self._load(runtime, application)
            allocate_tensors(runtime, application)
        except NrtError as error:
            runtime.close()
            raise StartError(f"{error} (status {error.status.value})") from None
        stop = Stop()
        self._running.setdefault(application.tag, []).append(_Running(runtime, stop))
        self._spawn_clients(number, application, runtime, models, stop)

    def _load(self, runtime: Runtime, application: ApplicationSpec) -> list[LoadedModel]:
        """Load every model once on each core, or each group of cores, that the application owns."""
        loaded = []
        for name in application.models:
            neff = self._models[name]
            needed = neff.graph.core_count
            loaded += [runtime.load(neff, first) for first in range(0, len(runtime.cores) - needed + 1, needed)]
            if needed > len(runtime.cores):
                loaded.append(runtime.load(neff, 0))
        return loaded

    def _spawn_clients(
        self, number: int, application: ApplicationSpec, runtime: Runtime, models: list[LoadedModel], stop: Stop
    ) -> None:
        arrivals, now_ns = application.arrivals, self.now_ns()
        if arrivals.closed is not None:
            think_ns = nanoseconds_of(arrivals.closed.think)
            for model, _ in itertools.product(models, range(arrivals.closed.workers)):
                client = closed_loop(runtime.engine, model, start_ns=now_ns, think_ns=think_ns, stop=stop)
                self._node.spawn(client, model)
            return
        rng = random.Random(f"{self._seed}:{number}:{application.tag}")  # noqa: S311 - chance that can be repeated
        times_ns = arrival_times_ns(arrivals, rng, now_ns, self._folder)
        queue = RequestQueue(times_ns, limit=application.queue)
        # The workers of a pool use all models in turn, so that no worker always uses the same chip.
        for worker in range(application.threads):
            shifted = models[worker % len(models) :] + models[: worker % len(models)]
            self._node.spawn(open_loop(runtime.engine, shifted, queue, stop=stop), *models)

    def stop(self, tag: str) -> None:
        """See the protocol."""
        for running in self._running.pop(tag, []):
            running.stop.asked = True
            running.runtime.close()

    kill = stop

    def hold(self, tag: str) -> None:
        """See the protocol."""
        self._still(tag, still=True)

    def release(self, tag: str) -> None:
        """See the protocol."""
        self._still(tag, still=False)

    def _still(self, tag: str, *, still: bool) -> None:
        for running in self._running.get(tag, []):
            stand_still(self._node.store, running.runtime.engine.page.index, still=still)

    def inject(self, fault: FaultSpec) -> None:
        """See the protocol."""
        faults.inject(self._node.store, fault, self.now_ns())

    def clear(self) -> None:
        """See the protocol."""
        faults.clear(self._node.store)

    def reset(self, device: int) -> None:
        """See the protocol."""
        reset_device(self._node.store, device, force=True)

    def close(self) -> None:
        """See the protocol."""
        self.source.close()
        self._node.close()
