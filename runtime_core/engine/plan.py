"""What an execution of a loaded model does to the cores, worked out once, and placing one on their timelines."""

from __future__ import annotations

from typing import NamedTuple

from runtime_core.driver.pages.page import RuntimePage
from runtime_core.engine.harm import Harm
from runtime_core.engine.shares import Link, NodeShares
from runtime_core.engine.timing import model as timing
from runtime_core.instance import CORES_PER_DEVICE
from runtime_core.neff.graph import Graph, NodeKind
from runtime_core.status import NrtStatus
from runtime_core.topology import Topology, device_of_core


class Stage(NamedTuple):
    """One Neuron node on its core.

    Attributes:
        core: the global core.
        lead_ns: before the first stage, the runtime's own work and the IFMAPs' way to the device; else 0.
        cpu_ns: CPU nodes between the stage before (or the arrival) and this one.
        duration_ns: time on the core when 1, 2, 3 or 4 cores of the chip are active.
        flops: floating-point operations.
        dram_bytes: what passes between the core and the chip's DRAM.
        links: (device, eastward) of each link that the node's inputs cross, ``link_bytes`` over each, which takes
            ``link_ns`` in all.
        neighbours: the other cores of the chip.
    """

    core: int
    lead_ns: int
    cpu_ns: int
    duration_ns: tuple[int, ...]
    flops: int
    dram_bytes: int
    links: tuple[Link, ...]
    link_bytes: int
    link_ns: int
    neighbours: tuple[int, ...]


class Plan(NamedTuple):
    """The stages of a model in turn, and what follows them.

    Attributes:
        stages: one a Neuron node.
        tail_cpu_ns: CPU nodes after the last stage.
        tail_ns: the OFMAPs' way to the host, the runtime's own work; all of that when there is no stage.
    """

    stages: tuple[Stage, ...]
    tail_cpu_ns: int
    tail_ns: int

    @property
    def uses_vcpus(self) -> bool:
        """Whether it has CPU nodes."""
        return bool(self.tail_cpu_ns or any(stage.cpu_ns for stage in self.stages))

    @property
    def alone_ns(self) -> int:
        """Latency of one execution on an idle instance."""
        stages_ns = sum(s.lead_ns + s.cpu_ns + s.link_ns + s.duration_ns[0] for s in self.stages)
        return stages_ns + self.tail_cpu_ns + self.tail_ns

    def staged(self, input_ns: int, output_ns: int) -> Plan:
        """The same without the way of tensors that lie on the device: what it takes, before and after."""
        if not self.stages:
            return self._replace(tail_ns=max(0, self.tail_ns - input_ns - output_ns))
        first = self.stages[0]
        first = first._replace(lead_ns=max(0, first.lead_ns - input_ns))
        return self._replace(stages=(first, *self.stages[1:]), tail_ns=max(0, self.tail_ns - output_ns))


class Placed(NamedTuple):
    """An execution on the timelines.

    Attributes:
        end_ns: when it ends for its caller.
        device_ns: its time on devices.
        status: SUCCESS, or TIMEOUT.
        harm: what faults do to it.
    """

    end_ns: int
    device_ns: int
    status: NrtStatus
    harm: Harm | None = None


def plan_of(graph: Graph, cores: tuple[int, ...], topology: Topology) -> Plan:
    """Work out the stages of a model.

    Args:
        graph: the model.
        cores: global cores; ``node.core`` indexes into them.
        topology: of the node.
    """
    stages: list[Stage] = []
    costs = timing.time_graph(graph, cores)
    lead_ns, cpu_ns = costs.before_ns, 0
    for node, cost in zip(graph.nodes, costs.nodes, strict=True):
        if node.kind is NodeKind.CPU:
            cpu_ns += cost.duration_ns[0]
            continue
        core = cores[node.core]
        links: tuple[Link, ...] = ()
        link_bytes = sum(t.size_bytes for t in node.inputs)
        if stages and stages[-1].core != core:
            links = topology.path(device_of_core(stages[-1].core), device_of_core(core))
        link_ns = timing.link_transfer_ns(link_bytes, len(links))
        first = core - core % CORES_PER_DEVICE
        neighbours = tuple(c for c in range(first, first + CORES_PER_DEVICE) if c != core)
        stages.append(
            Stage(
                core,
                lead_ns,
                cpu_ns,
                cost.duration_ns,
                cost.flops,
                cost.dram_bytes,
                links,
                link_bytes,
                link_ns,
                neighbours,
            )
        )
        lead_ns = cpu_ns = 0
    return Plan(tuple(stages), cpu_ns, lead_ns + costs.after_ns)


def place_execution(
    page: RuntimePage, shares: NodeShares, plan: Plan, arrival_ns: int, timeout_ns: int, harm: Harm | None = None
) -> Placed:
    """Put every stage on its core's timeline behind what is there, and what lies between them on vCPUs and links.

    Neighbours that have work at the arrival share the chip's DRAM bandwidth. A stage longer than ``timeout_ns`` takes
    its core for that long and ends the execution. ``harm`` slows cores and links.
    """
    at_ns = arrival_ns
    device_ns = 0
    busy_until_ns = page.busy_until_ns
    for stage in plan.stages:
        at_ns += stage.lead_ns
        if stage.cpu_ns:
            at_ns = shares.compute(at_ns, stage.cpu_ns, arrival_ns)
        neighbours = sum(busy_until_ns(core) > arrival_ns for core in stage.neighbours)
        duration_ns = stage.duration_ns[neighbours]
        link_ns = stage.link_ns
        if harm is not None:
            link_ns = harm.transfer_ns(stage.links, link_ns)
            duration_ns = harm.duration_ns(stage.core, duration_ns, stage.dram_bytes, neighbours, timeout_ns)
        if stage.links:
            for device, eastward in stage.links:
                page.count_link(device, eastward, stage.link_bytes)
            at_ns = shares.send(stage.links, at_ns, link_ns, arrival_ns)
        _, at_ns = page.place(stage.core, arrival_ns, at_ns, duration_ns, stage.flops, timeout_ns)
        if duration_ns > timeout_ns:
            return Placed(at_ns, device_ns + timeout_ns, NrtStatus.TIMEOUT, harm)
        device_ns += duration_ns
    if plan.tail_cpu_ns:
        at_ns = shares.compute(at_ns, plan.tail_cpu_ns, arrival_ns)
    return Placed(at_ns + plan.tail_ns, device_ns, NrtStatus.SUCCESS, harm)
