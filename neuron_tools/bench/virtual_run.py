"""A setup under the virtual clock."""

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
from runtime_core.virtual.clients import RequestQueue, closed_loop, open_loop
from runtime_core.virtual.node import VirtualNode


def run_virtual(setup: Setup, neff: Neff, *, seconds: float | None, rate_per_second: float | None = None) -> Observed:
    """Measure a setup.

    Args:
        setup: what to run.
        neff: the model in the setup's shape.
        seconds: of virtual time, after the warm-up; ``None``: 10, or what a slow model needs for a good figure.
        rate_per_second: samples offered, evenly spaced; ``None``: back to back.

    Raises:
        NrtError: the copies don't fit in the devices' memory.
    """
    with VirtualNode(setup.instance_type) as node:
        runtime = node.runtime(cores=f"0-{setup.cores - 1}", tag="neuron-bench", command="neuron-bench")
        models = [runtime.load(neff, setup.first_core(copy)) for copy in range(setup.models)]
        window = window_of(setup, models[0].plan, seconds)
        if rate_per_second is None:
            _spawn_back_to_back(node, runtime, setup, models)
        else:
            _spawn_pool(node, runtime, setup, models, rate_per_second, window.end_ns)
        node.run(window.start_ns)
        page = runtime.engine.page
        if not isinstance(page, BufferedPage):
            raise NeuronError("a virtual node's runtime has a page of another kind")
        page.kept_latencies = Counter()
        before = look(node.root)
        node.run(window.end_ns)
        after = look(node.root)
        return observed(before, after, page.kept_latencies, None)


def _spawn_back_to_back(node: VirtualNode, runtime: Runtime, setup: Setup, models: list[LoadedModel]) -> None:
    for copy, model in enumerate(models):
        for worker in range(setup.workers):
            # Clients of real programs don't all begin in the same nanosecond.
            start_ns = (worker * setup.models + copy) * 1000
            node.spawn(closed_loop(runtime.engine, model, start_ns=start_ns), model)


def _spawn_pool(
    node: VirtualNode, runtime: Runtime, setup: Setup, models: list[LoadedModel], rate: float, end_ns: int
) -> None:
    queue = RequestQueue(evenly(rate / setup.batch, end_ns))
    for _ in range(setup.workers):
        for model in models:
            # The queue is shared by all chips.
            node.clock.spawn(open_loop(runtime.engine, [model], queue))


def evenly(per_second: float, end_ns: int) -> Iterator[int]:
    """Times of arrivals at equal distances, each counted from the start so that no rounding adds up."""
    number = 0
    while (at_ns := round(number * 1e9 / per_second)) < end_ns:
        yield at_ns
        number += 1
