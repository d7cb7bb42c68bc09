"""What an execution costs under the virtual clock: in pipelines, at random, with pauses, and with a fault."""

from __future__ import annotations

import importlib
import random
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from benchmarks.harness import compare, exponent
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.nrt import Runtime

if TYPE_CHECKING:
    from runtime_core.driver.faults import slots, spec, table
    from runtime_core.virtual import clients
    from runtime_core.virtual import node as nodes
else:

    def _either(name: str, older: str) -> ModuleType:
        """A module, which an older version has under an older name."""
        try:
            return importlib.import_module(f"runtime_core.{name}")
        except ModuleNotFoundError:
            return importlib.import_module(f"runtime_core.{older}")

    slots, spec, table = (
        _either(f"driver.faults.{name}", f"driver.{older}")
        for name, older in (("slots", "faults"), ("spec", "fault_spec"), ("table", "fault_table"))
    )
    clients, nodes = _either("virtual.clients", "engine.clients"), _either("virtual.node", "virtual_node")

_SIZE = "inf1.24xlarge"
_CORES = (1, 2, 4, 8, 16, 32, 64)
_UNTIL_NS = 5 * 10**8
_ROUNDS = 3


def _pipeline(cores: int) -> Neff:
    specs = [TensorSpec(f"t{i}", DType.FLOAT32, (1, 256)) for i in range(cores + 1)]
    nodes = []
    for core in range(cores):
        weights = Parameter(TensorSpec(f"w{core}", DType.BFLOAT16, (1 << 21,)), 0)
        reads, writes = (f"t{core}", f"w{core}"), (f"t{core + 1}",)
        step = Instruction(EngineKind.PE, "matmul", reads, writes, {"cast": "bfloat16"}, 10**9)
        inputs, outputs = (specs[core],), (specs[core + 1],)
        nodes.append(Node(f"n{core}", NodeKind.NEURON, inputs, outputs, core, (step,), (weights,), (), 1 << 22))
    return Neff(Graph("m", (specs[0],), (specs[-1],), tuple(nodes), core_count=cores), uuid="ab" * 16)


_Spawn = Callable[["nodes.VirtualNode", Runtime], None]
"""Starts the clients of a runtime."""


def _closed(neff: Neff, copies: int, workers: int, think_ns: int = 0, faulty: bool = False) -> _Spawn:
    def spawn(node: nodes.VirtualNode, runtime: Runtime) -> None:
        for number in range(copies):
            model = runtime.load(neff, number * neff.graph.core_count)
            node.spawn_closed_loop(runtime, model, workers=workers, think_ns=think_ns)
        if faulty:
            fault = spec.FaultSpec(table.FaultKind.SLOW_CORE, cores=(0,), factor=2.0)
            slots.inject(node.store, fault, 0)

    return spawn


def _arrivals(per_second: float) -> Iterator[int]:
    chance, at_ns = random.Random(1), 0.0
    while True:
        at_ns += chance.expovariate(per_second) * 1e9
        yield int(at_ns)


def _at_random(neff: Neff, copies: int, ratio: float) -> _Spawn:
    """Requests for all copies, ``ratio`` of what they could execute."""

    def spawn(node: nodes.VirtualNode, runtime: Runtime) -> None:
        models = [runtime.load(neff, number) for number in range(copies)]
        queue = clients.RequestQueue(_arrivals(copies * ratio * 1e9 / models[0].plan.alone_ns))
        for _ in range(copies):
            node.spawn(clients.open_loop(runtime.engine, models, queue), *models)

    return spawn


def _microseconds(spawn: _Spawn) -> float:
    """CPU time of one execution; the best of some rounds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        with nodes.VirtualNode(_SIZE) as node:
            spawn(node, node.runtime(tag="bench"))
            started = time.process_time()
            node.run(_UNTIL_NS)
            seconds = time.process_time() - started
            best = min(best, seconds / node.store.page(0).executions[0] * 1e6)
    return best


def measure() -> dict[str, float]:
    """Microseconds of an execution: per stage of pipelines, and on 64 cores by the way its clients go."""
    stages = {cores: _microseconds(_closed(_pipeline(cores), 1, 2 * cores)) for cores in _CORES}
    figures = {f"pipeline of {cores}, a stage": cost / cores for cores, cost in stages.items()}
    figures["pipelines, exponent of an execution over its stages"] = exponent(
        {float(cores): cost for cores, cost in stages.items()}
    )
    one = _pipeline(1)
    ways = {
        "64 cores": _closed(one, 64, 2),
        "64 cores, a fault on one": _closed(one, 64, 2, faulty=True),
        "64 cores, requests at random": _at_random(one, 64, 0.7),
        "64 cores, clients that pause": _closed(one, 64, 2, think_ns=10**6),
    }
    figures |= {name: _microseconds(way) for name, way in ways.items()}
    return figures


def main() -> None:
    """Measure, with an older version beside it where one is given."""
    goals = {f"pipeline of {cores}, a stage": 1.0 for cores in _CORES if cores > 1}
    compare("virtual_cost", "virtual_cost", measure(), "us", goals)


if __name__ == "__main__":
    main()
