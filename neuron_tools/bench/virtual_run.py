"""Measure a setup under the virtual clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from neuron_tools.bench.result import Observed
from neuron_tools.bench.setups import Setup
from neuron_tools.bench.window import look, observed, window_of
from runtime_core.driver.pages.buffered import BufferedPage
from runtime_core.engine.execution import LoadedModel
from runtime_core.errors import NeuronError
from runtime_core.neff.model import Neff
from runtime_core.nrt.runtime import Runtime
from runtime_core.virtual.clients import RequestQueue, closed_loop, open_loop, request_loop
from runtime_core.virtual.node import VirtualNode


def run_virtual(
    setup: Setup,
    neff: Neff,
    *,
    seconds: float | None,
    rate_per_second: float | None = None,
    jitter: bool = True,
    seed: int = 0,
) -> Observed:
    """Measure a setup.

    Args:
        setup: the setup to run.
        neff: the model in the shape of the setup.
        seconds: virtual time after the warm-up; ``None``: 10, or longer if a slow model requires it.
        rate_per_second: samples offered, evenly spaced; ``None``: back to back.
        jitter: vary execution times.
        seed: seed of the jitter.

    Raises:
        NrtError: the copies do not fit in the devices' memory.
    """
    with VirtualNode(setup.instance_type, seed=seed) as node:
        runtime = node.runtime(cores=f"0-{setup.cores - 1}", tag="neuron-bench", command="neuron-bench", jitter=jitter)
        models = [runtime.load(neff, setup.first_core(copy)) for copy in range(setup.models)]
        window = window_of(setup, models[0].plan, seconds)
        latencies_ns: Counter[int] = Counter()
        if setup.request_executions > 1:
            spawn_requests(node, runtime, setup, models, latencies_ns, rate_per_second, window.end_ns)
        elif rate_per_second is None:
            _spawn_back_to_back(node, runtime, setup, models)
        else:
            _spawn_pool(node, runtime, setup, models, rate_per_second, window.end_ns)
        node.run(window.start_ns)
        latencies_ns.clear()
        page = runtime.engine.page
        if not isinstance(page, BufferedPage):
            raise NeuronError("a virtual node's runtime has a page of another kind")
        if setup.request_executions == 1:
            page.kept_latencies = latencies_ns
        before = look(node.root)
        node.run(window.end_ns)
        after = look(node.root)
        return observed(before, after, latencies_ns, None)


def spawn_requests(
    node: VirtualNode,
    runtime: Runtime,
    setup: Setup,
    models: list[LoadedModel],
    latencies_ns: Counter[int],
    rate: float | None = None,
    end_ns: int = 0,
) -> None:
    """Start the clients of a setup, whose requests have one or more executions.

    Args:
        node: a node under its virtual clock.
        runtime: a runtime on the node.
        setup: the setup to run.
        models: copies of the model.
        latencies_ns: counts successful requests by latency.
        rate: samples offered per second; ``None``: back to back.
        end_ns: end of the offered samples.
    """
    queue = None if rate is None else RequestQueue(evenly(rate / setup.request_samples, end_ns))
    for client in range(setup.clients):

        def copies_of(number: int, client: int = client) -> list[LoadedModel]:
            return [models[copy] for copy in setup.copies_of(client, number)]

        process = request_loop(runtime.engine, copies_of, latencies_ns, start_ns=client * 1000, queue=queue)
        node.spawn(process, *models)


def _spawn_back_to_back(node: VirtualNode, runtime: Runtime, setup: Setup, models: list[LoadedModel]) -> None:
    for copy, model in enumerate(models):
        for worker in range(setup.workers):
            # Clients of real programs do not all start in the same nanosecond.
            start_ns = (worker * setup.models + copy) * 1000
            node.spawn(closed_loop(runtime.engine, model, start_ns=start_ns), model)


def _spawn_pool(
    node: VirtualNode, runtime: Runtime, setup: Setup, models: list[LoadedModel], rate: float, end_ns: int
) -> None:
    queue = RequestQueue(evenly(rate / setup.batch, end_ns))
    for _ in range(setup.workers):
        for model in models:
            node.spawn(open_loop(runtime.engine, [model], queue), model)


def evenly(per_second: float, end_ns: int) -> Iterator[int]:
    """Yield evenly spaced arrival times, each computed from the start so that rounding errors do not accumulate."""
    number = 0
    while (at_ns := round(number * 1e9 / per_second)) < end_ns:
        yield at_ns
        number += 1
