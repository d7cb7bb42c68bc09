"""Executions per second under the virtual clock, compared with the same queueing network in SimPy, in one run.

A busy inf1.24xlarge has a model on each of its 64 cores, two clients per core that execute back to back, 96 vCPUs for
the host's work, and neighbours that share PCIe and DRAM of their chip. Both programs record busy time, FLOPs and
executions of each core, total and device latencies, and the vCPUs' busy time, and must agree. Seconds are CPU time, on
which other programs of the machine have little effect.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Generator
from functools import partial
from typing import NamedTuple

import simpy

from benchmarks.harness import Figure, report
from runtime_core.engine.plan import Plan
from runtime_core.engine.shares import slowdowns
from runtime_core.instance import CORES_PER_DEVICE, instance_type
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.telemetry import open_source
from runtime_core.virtual.node import VirtualNode

SIZE = "inf1.24xlarge"
CORES = 64
CLIENTS = 2
ROUNDS = 7
WEIGHTS_BYTES = 128 << 20
"""More parameters than fit on the chip, so that every execution reads them from DRAM."""


class Outcome(NamedTuple):
    """The result of a simulation."""

    executions: int
    latency_sum_ns: int
    busy_ns: dict[int, int]
    vcpu_busy_ns: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Simulated executions per second of CPU time."""
        return self.executions / self.seconds


def _release(vcpus: simpy.Resource, vcpu: simpy.resources.resource.Request, _: simpy.Event) -> None:
    vcpus.release(vcpu)


def memory_bound() -> Neff:
    """A matrix product whose weights are read from DRAM, so that neighbours slow each other down."""
    x, y = TensorSpec("x", DType.FLOAT32, (1, 1024)), TensorSpec("y", DType.FLOAT32, (1, 1024))
    weights = Parameter(TensorSpec("w", DType.BFLOAT16, (1024, WEIGHTS_BYTES // 2048)), 0)
    step = Instruction(EngineKind.PE, "matmul", ("x", "w"), ("y",), flops=WEIGHTS_BYTES)
    node = Node("n", NodeKind.NEURON, (x,), (y,), 0, (step,), (weights,), (), WEIGHTS_BYTES)
    return Neff(Graph("memory-bound", (x,), (y,), (node,)), uuid="0" * 32)


def under_the_virtual_clock(neff: Neff, until_ns: int) -> tuple[Outcome, Plan]:
    """Simulate with the engine. Only the simulation is timed, including the final write of the counters."""
    with VirtualNode(SIZE) as node:
        runtime = node.runtime(tag="bench")
        models = [runtime.load(neff, core) for core in range(CORES)]
        for model in models:
            node.spawn_closed_loop(runtime, model, workers=CLIENTS)
        started = time.process_time()
        node.run(until_ns)
        seconds = time.process_time() - started
        source = open_source(f"sim:{node.root}")
        snapshot = source.snapshot(host=True)
        source.close()
        (seen,) = snapshot.runtimes
        assert snapshot.host is not None
        vcpu_busy_ns = round(sum(vcpu.user for vcpu in snapshot.host.vcpus) * 1e9)
        assert seen.executions is not None
        assert seen.total_latency is not None
        plan = models[0].plan
        busy = {core: use.busy_ns or 0 for core, use in seen.cores.items()}
        return Outcome(seen.executions.completed, seen.total_latency.sum_ns, busy, vcpu_busy_ns, seconds), plan


def in_simpy(plan: Plan, until_ns: int) -> Outcome:
    """The same network as SimPy processes: a resource per core, one for the vCPUs, a process per client."""
    env = simpy.Environment()
    size = instance_type(SIZE)
    vcpus = simpy.Resource(env, size.vcpu_count)
    slower = slowdowns(size.vcpu_count)
    pcie_free_at = [0] * size.device_count
    vcpu_busy = [0]
    cores = [simpy.Resource(env) for _ in range(CORES)]
    busy_until = [0] * CORES
    busy: Counter[int] = Counter()
    executed: Counter[int] = Counter()
    flops: Counter[int] = Counter()
    latencies: list[int] = []
    device_latencies: list[int] = []
    (stage,) = plan.stages
    assert stage.duration_ns[3] > stage.duration_ns[0], "neighbours are to slow one another down"

    def client(core: int) -> Generator[simpy.Event, None, None]:
        resource = cores[core]
        first = core - core % CORES_PER_DEVICE
        neighbours = [c for c in range(first, first + CORES_PER_DEVICE) if c != core]
        device = core // CORES_PER_DEVICE
        while True:
            arrival_ns = int(env.now)
            vcpu = vcpus.request()
            slowdown = slower[vcpus.count - 1]
            yield vcpu
            work_ns = int(plan.host_ns * slowdown)
            vcpu_busy[0] += min(work_ns, until_ns - int(env.now))
            # The vCPU is busy for all host work of the execution, but the client waits only for the first part.
            env.timeout(work_ns).callbacks.append(partial(_release, vcpus, vcpu))
            pcie_free_at[device] = max(pcie_free_at[device], arrival_ns) + plan.pcie_ns
            lead_ns = int(plan.before.work_ns * slowdown) + plan.before.transfer_ns
            ready_ns = max(int(env.now) + lead_ns, pcie_free_at[device])
            duration_ns = stage.duration_ns[sum(busy_until[c] > arrival_ns for c in neighbours)]
            busy_until[core] = max(ready_ns, busy_until[core]) + duration_ns
            yield env.timeout(ready_ns - env.now)
            with resource.request() as request:
                yield request
                started_ns = int(env.now)
                yield env.timeout(duration_ns)
                busy[core] += int(env.now) - started_ns
            yield env.timeout(plan.after.transfer_ns + int(plan.after.work_ns * slowdown))
            latencies.append(int(env.now) - arrival_ns)
            device_latencies.append(duration_ns)
            executed[core] += 1
            flops[core] += stage.flops

    for core in range(CORES):
        for _ in range(CLIENTS):
            env.process(client(core))
    started = time.process_time()
    env.run(until=until_ns)
    seconds = time.process_time() - started
    return Outcome(len(latencies), sum(latencies), dict(busy), vcpu_busy[0], seconds)


def main() -> None:
    """Alternate the two, so that load of the machine affects both."""
    neff = memory_bound()
    ours, theirs = [], []
    for _ in range(ROUNDS):
        outcome, plan = under_the_virtual_clock(neff, 4 * 10**9)
        ours.append(outcome)
        theirs.append(in_simpy(plan, 4 * 10**8))
    long, (check, _) = theirs[0], under_the_virtual_clock(neff, 4 * 10**8)
    difference = abs(check.executions - long.executions) / long.executions
    vcpus = abs(check.vcpu_busy_ns - long.vcpu_busy_ns) / long.vcpu_busy_ns
    latency = abs(check.latency_sum_ns / check.executions - long.latency_sum_ns / long.executions)
    rate, peer = (statistics.median(o.per_second for o in outcomes) for outcomes in (ours, theirs))
    report(
        "virtual_clock",
        [
            Figure("executions per second, 64 cores, two clients each", rate, "/s"),
            Figure("peer: the same network in SimPy", peer, "/s"),
            Figure("ratio", rate / peer, "x", 12, at_most=False, note=f"median of {ROUNDS} alternating rounds"),
            Figure("difference in executions", difference * 100, "%", 0.1),
            Figure("difference in vCPU time", vcpus * 100, "%", 0.5),
            Figure("difference in mean latency", latency * long.executions / long.latency_sum_ns * 100, "%", 0.1),
        ],
    )
