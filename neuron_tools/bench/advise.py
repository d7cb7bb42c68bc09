"""Find the cheapest setup that serves a demand: batch x pipeline x cores x instance size, under the virtual clock.

Sizes are tried from the cheapest on, until two setups serve the demand. A setup is not tried if the time of one
execution, or the throughput of all cores or vCPUs, rules it out. All times are at the pessimistic end of their
interval.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from neuron_tools.bench.demand import Demand, Trial, try_setup
from neuron_tools.bench.networks import Networks
from neuron_tools.bench.result import cost_per_million, quantile
from neuron_tools.bench.setups import Setup
from runtime_core.engine.plan import Plan, plan_of
from runtime_core.engine.shares import slowdowns
from runtime_core.engine.timing.model import instruction_seconds
from runtime_core.errors import UsageError
from runtime_core.instance import INSTANCE_TYPES, InstanceType
from runtime_core.neff.graph import Graph, NodeKind
from runtime_core.status import NrtError
from runtime_core.topology import topology

_NO_DRAM = 1e-6
"""Number of active cores for :func:`instruction_seconds` with which only the time of the engines counts."""


class Finding(enum.StrEnum):
    """Result for a setup."""

    SERVES = "serves"
    TOO_SLOW = "too slow"
    """A single execution takes longer than allowed."""
    FILLS_LATE = "fills late"
    """The first sample of a batch waits so long for the others that its execution ends later than allowed."""
    TOO_LITTLE = "too little"
    """The throughput of all cores, or of the vCPUs, is less than the rate."""
    TOO_LATE = "too late"
    """The 99th percentile exceeds the limit."""
    NO_ROOM = "no room"
    """The copies do not fit in the devices' memory."""
    NO_SUCH_CUT = "no such cut"
    """More cores would not make the pipeline faster."""


class Advice(msgspec.Struct, frozen=True):
    """A setup and how it serves a demand; figures are ``None`` if it was not tried.

    ``workers``: clients that each copy needs. Latency is that of samples, including the formation of batches.
    ``cores``: the fewest cores that serve the demand, or those of the whole instance if none do. Prices are for all
    ``instances``.
    """

    finding: Finding
    instance_type: str
    instances: int
    batch: int
    pipeline: int
    cores: int
    models: int
    workers: int | None
    utilization: float | None
    p50_ms: float | None
    p99_ms: float | None
    price_usd_per_hour: float
    cost_per_million_usd: float | None


class Space(NamedTuple):
    """The setups to search."""

    batches: Sequence[int]
    pipelines: Sequence[int]
    types: Sequence[InstanceType] = tuple(INSTANCE_TYPES.values())
    max_instances: int = 1

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Return pairs of pipeline and batch, in ascending order of the batch."""
        return [(pipeline, batch) for pipeline in self.pipelines for batch in sorted(self.batches)]

    def offers(self) -> list[tuple[InstanceType, int]]:
        """Return sizes and numbers of instances, the cheapest first."""
        made = [(size, count) for size in self.types for count in range(1, self.max_instances + 1)]
        return sorted(made, key=lambda o: (o[0].price_usd_per_hour * o[1], o[1]))


def search(networks: Networks, demand: Demand, space: Space, tell: Callable[[int, str], None]) -> list[Advice]:
    """Return all setups that were considered; the cheapest that serves the demand is first.

    Args:
        networks: the model.
        demand: the demand.
        space: the setups to search.
        tell: called with the number of completed shapes, and a description of the next one.
    """
    found: list[Advice] = []
    for done, (size, count) in enumerate(space.offers()):
        share = demand._replace(rate_per_second=demand.rate_per_second / count)
        price = size.price_usd_per_hour * count
        hopeless: dict[int, Finding] = {}
        for number, (pipeline, batch) in enumerate(space.shapes):
            tell(done * len(space.shapes) + number, f"{size.name}, batch {batch}, pipeline {pipeline}")
            if pipeline > size.core_count:
                continue
            if pipeline in hopeless:
                # A larger batch takes even longer.
                advice = _unserved(hopeless[pipeline], size, batch, pipeline)
            else:
                advice = _best_cores(networks, share, size, batch, pipeline)
            if advice.finding in (Finding.TOO_SLOW, Finding.FILLS_LATE):
                hopeless[pipeline] = advice.finding
            cost = cost_per_million(price, demand.rate_per_second)
            found.append(
                msgspec.structs.replace(advice, instances=count, price_usd_per_hour=price, cost_per_million_usd=cost)
            )
        if sum(a.finding is Finding.SERVES for a in found) > 1:
            break
    return sorted(found, key=_rank)


def _rank(advice: Advice) -> tuple[bool, float, int, float]:
    return (
        advice.finding is not Finding.SERVES,
        advice.price_usd_per_hour,
        advice.cores * advice.instances,
        advice.p99_ms or 0.0,
    )


def _best_cores(networks: Networks, demand: Demand, size: InstanceType, batch: int, pipeline: int) -> Advice:
    """Return the fewest copies that serve the demand, or the reason why none do."""
    gathering_ns = (batch - 1) / demand.rate_per_second * 1e9
    executions_per_second = demand.rate_per_second / batch
    if not networks.fixed:
        # Compiling for many shapes takes longer than simulating a few.
        floor_ns = engines_ns(networks.get(batch, 1).graph) * (1 + demand.margin)
        if floor_ns + gathering_ns > demand.p99_ns:
            return _unserved(_late(floor_ns, demand), size, batch, pipeline)
        if executions_per_second * floor_ns > size.core_count * 1e9:
            return _unserved(Finding.TOO_LITTLE, size, batch, pipeline)
    try:
        neff = networks.get(batch, pipeline)
    except UsageError:
        return _unserved(Finding.NO_SUCH_CUT, size, batch, pipeline)
    if neff.graph.core_count < pipeline:
        return _unserved(Finding.NO_SUCH_CUT, size, batch, pipeline)
    plan = plan_of(neff.graph, tuple(range(pipeline)), topology(size)).slowed(1 + demand.margin)
    if plan.alone_ns + gathering_ns > demand.p99_ns:
        return _unserved(_late(plan.alone_ns, demand), size, batch, pipeline)
    most = size.core_count // pipeline
    fewest = -(-executions_per_second * bottleneck_ns(plan) // 1e9)
    vcpus = size.vcpu_count / slowdowns(size.vcpu_count)[-1]
    if fewest > most or executions_per_second * plan.host_ns > vcpus * 1e9:
        return _unserved(Finding.TOO_LITTLE, size, batch, pipeline)

    def attempt(models: int) -> Advice:
        setup = Setup(size.name, batch, pipeline, models * pipeline, models, 1)
        try:
            return _judged(setup, size, demand, try_setup(setup, neff, demand, give_up=models < most))
        except NrtError:
            return _unserved(Finding.NO_ROOM, size, batch, pipeline)

    best = attempt(most)
    low, high = max(1, int(fewest)), most
    while best.finding is Finding.SERVES and low < high:
        middle = (low + high) // 2
        tried = attempt(middle)
        if tried.finding is Finding.SERVES:
            best, high = tried, middle
        else:
            low = middle + 1
    return best


def _late(execution_ns: float, demand: Demand) -> Finding:
    return Finding.TOO_SLOW if execution_ns > demand.p99_ns else Finding.FILLS_LATE


def engines_ns(graph: Graph) -> int:
    """Return the time of the engines for one execution, without DRAM: a lower bound for every pipeline."""
    nodes = (node for node in graph.nodes if node.kind is NodeKind.NEURON)
    return round(sum(sum(instruction_seconds(node, 0, _NO_DRAM)) for node in nodes) * 1e9)


def bottleneck_ns(plan: Plan) -> int:
    """Return the time between two executions of a copy that is never idle, on an otherwise idle chip."""
    by_core: dict[int, int] = {}
    for stage in plan.stages:
        by_core[stage.core] = by_core.get(stage.core, 0) + stage.duration_ns[0]
    return max(by_core.values(), default=0)


def _judged(setup: Setup, size: InstanceType, demand: Demand, trial: Trial) -> Advice:
    p50_ns, p99_ns = (quantile(trial.latencies_ns, ratio) for ratio in (0.5, 0.99))
    meets = p99_ns is not None and p99_ns <= demand.p99_ns and not trial.failures
    return Advice(
        Finding.SERVES if meets else Finding.TOO_LATE,
        size.name,
        1,
        setup.batch,
        setup.pipeline,
        setup.cores,
        setup.models,
        trial.in_flight,
        round(trial.utilization, 6),
        None if p50_ns is None else p50_ns / 1e6,
        None if p99_ns is None else p99_ns / 1e6,
        size.price_usd_per_hour,
        None,
    )


def _unserved(finding: Finding, size: InstanceType, batch: int, pipeline: int) -> Advice:
    models = size.core_count // pipeline
    return Advice(
        finding, size.name, 1, batch, pipeline, models * pipeline, models, None, None, None, None,
        size.price_usd_per_hour, None,
    )  # fmt: skip
