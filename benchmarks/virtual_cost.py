"""The cost of an execution under the virtual clock: pipelines of increasing length, and with a fault on one device."""

from __future__ import annotations

import time

from benchmarks.harness import compare, exponent
from runtime_core.driver.faults.slots import inject
from runtime_core.driver.faults.spec import FaultSpec
from runtime_core.driver.faults.table import FaultKind
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.virtual.node import VirtualNode

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


def _microseconds(neff: Neff, copies: int, workers: int, faulty: bool = False) -> float:
    """CPU time of one execution, the minimum of several rounds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        with VirtualNode(_SIZE) as node:
            runtime = node.runtime(tag="bench")
            for number in range(copies):
                node.spawn_closed_loop(runtime, runtime.load(neff, number * neff.graph.core_count), workers=workers)
            if faulty:
                inject(node.store, FaultSpec(FaultKind.SLOW_CORE, cores=(0,), factor=2.0), 0)
            started = time.process_time()
            node.run(_UNTIL_NS)
            seconds = time.process_time() - started
            best = min(best, seconds / node.store.page(0).executions[0] * 1e6)
    return best


def measure() -> dict[str, float]:
    """Microseconds per execution and stage by number of cores, and the ratio of times with and without a fault."""
    stages = {cores: _microseconds(_pipeline(cores), 1, 2 * cores) for cores in _CORES}
    figures = {f"pipeline of {cores}, a stage": cost / cores for cores, cost in stages.items()}
    figures["pipelines, exponent of an execution over its stages"] = exponent(dict(stages))
    one = _pipeline(1)
    healthy, faulty = _microseconds(one, 64, 2), _microseconds(one, 64, 2, faulty=True)
    figures["64 cores"] = healthy
    figures["64 cores, a fault on one"] = faulty
    return figures


def main() -> None:
    """Measure, together with the older version if there is one."""
    goals = {f"pipeline of {cores}, a stage": 1.0 for cores in _CORES if cores > 1}
    compare("virtual_cost", "virtual_cost", measure(), "us", goals)


if __name__ == "__main__":
    main()
