"""What an execution of a loaded model does to host and cores, computed once, and how to place it on their timelines."""

from __future__ import annotations

import functools
from typing import NamedTuple

from runtime_core.driver.pages.page import RuntimePage
from runtime_core.engine.harm import Harm
from runtime_core.engine.jitter import Jitter
from runtime_core.engine.shares import Link, NodeShares
from runtime_core.engine.timing import model as timing
from runtime_core.engine.timing.model import GraphTiming, HostTiming
from runtime_core.engine.timing.parameters import PARAMETERS, TimingParameters
from runtime_core.instance import CORES_PER_DEVICE
from runtime_core.neff.graph import Graph, NodeKind
from runtime_core.status import NrtStatus
from runtime_core.topology import Topology, device_of_core

_SUCCESS = NrtStatus.SUCCESS


class Stage(NamedTuple):
    """One Neuron node on its core.

    Attributes:
        core: the global core.
        cpu_ns: CPU nodes between the previous stage (or the arrival) and this one.
        duration_ns: time on the core when 1, 2, 3 or 4 cores of the chip are active.
        flops: floating-point operations.
        dram_bytes: bytes between the core and the chip's DRAM.
        links: (device, eastward) of each link that the node's inputs cross; ``link_bytes`` cross each, ``link_ns`` is
            the time of all.
        neighbours: the other cores of the chip.
    """

    core: int
    cpu_ns: int
    duration_ns: tuple[int, ...]
    flops: int
    dram_bytes: int
    links: tuple[Link, ...]
    link_bytes: int
    link_ns: int
    neighbours: tuple[int, ...]


class Plan(NamedTuple):
    """The stages of a model in turn, and what the host does for them.

    Attributes:
        before: host work and PCIe transfer before the first stage.
        stages: one per Neuron node.
        tail_cpu_ns: CPU nodes after the last stage.
        after: PCIe transfer and host work after that.
        host_ns: all host work, CPU nodes included: thread time on an idle physical core.
        pcie_ns: time of its chip's PCIe link, which carries both directions at once.
        pcie_device: the device of that link.
    """

    before: HostTiming
    stages: tuple[Stage, ...]
    tail_cpu_ns: int
    after: HostTiming
    host_ns: int
    pcie_ns: int
    pcie_device: int

    @property
    def alone_ns(self) -> int:
        """Latency of one execution on an idle instance."""
        stages_ns = sum(s.cpu_ns + s.link_ns + s.duration_ns[0] for s in self.stages)
        return self.before.alone_ns + stages_ns + self.tail_cpu_ns + self.after.alone_ns

    def slowed(self, factor: float) -> Plan:
        """The same plan with everything ``factor`` times as long."""

        def part(cost: HostTiming) -> HostTiming:
            return HostTiming(round(cost.work_ns * factor), round(cost.transfer_ns * factor))

        stages = tuple(
            stage._replace(
                cpu_ns=round(stage.cpu_ns * factor),
                duration_ns=tuple(round(duration_ns * factor) for duration_ns in stage.duration_ns),
                link_ns=round(stage.link_ns * factor),
            )
            for stage in self.stages
        )
        return _plan(part(self.before), stages, round(self.tail_cpu_ns * factor), part(self.after))

    def staged(self, taken: HostTiming, given: HostTiming) -> Plan:
        """The same plan without the host's part for tensors on the device: ``taken`` before, ``given`` after."""
        return _plan(_less(self.before, taken), self.stages, self.tail_cpu_ns, _less(self.after, given))


def _plan(before: HostTiming, stages: tuple[Stage, ...], tail_cpu_ns: int, after: HostTiming) -> Plan:
    cpu_ns = tail_cpu_ns + sum(stage.cpu_ns for stage in stages)
    return Plan(
        before,
        stages,
        tail_cpu_ns,
        after,
        before.work_ns + cpu_ns + after.work_ns,
        max(before.transfer_ns, after.transfer_ns),
        device_of_core(stages[0].core) if stages else 0,
    )


def _less(whole: HostTiming, part: HostTiming) -> HostTiming:
    return HostTiming(max(0, whole.work_ns - part.work_ns), max(0, whole.transfer_ns - part.transfer_ns))


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


class _Same:
    """A graph by identity: comparing the instructions of two would take as long as timing one."""

    __slots__ = ("graph",)

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.graph is self.graph

    def __hash__(self) -> int:
        return id(self.graph)


@functools.lru_cache(maxsize=64)
def _timing(same: _Same, cores: tuple[int, ...], parameters: TimingParameters) -> GraphTiming:
    """The copies of a model on a node take the same time; only which nodes share a core matters."""
    return timing.time_graph(same.graph, cores, parameters)


def plan_of(
    graph: Graph, cores: tuple[int, ...], topology: Topology, parameters: TimingParameters = PARAMETERS
) -> Plan:
    """Compute the stages of a model.

    Args:
        graph: the model.
        cores: global cores; ``node.core`` is an index into them.
        topology: of the node.
        parameters: of the timing model.
    """
    stages: list[Stage] = []
    costs = _timing(_Same(graph), tuple(cores.index(core) for core in cores), parameters)
    cpu_ns = 0
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
            Stage(core, cpu_ns, cost.duration_ns, cost.flops, cost.dram_bytes, links, link_bytes, link_ns, neighbours)
        )
        cpu_ns = 0
    return _plan(costs.before, tuple(stages), cpu_ns, costs.after)


def place_execution(
    page: RuntimePage,
    shares: NodeShares,
    plan: Plan,
    arrival_ns: int,
    timeout_ns: int,
    harm: Harm | None = None,
    jitter: Jitter | None = None,
) -> Placed:
    """Queue the host's work on the vCPUs, every stage on its core's timeline, and transfers on PCIe and links.

    One vCPU does all host work of the execution; it is queued at the arrival as one piece. Neighbours that have work at
    the arrival share the chip's DRAM bandwidth. A stage longer than ``timeout_ns`` takes its core for that long and
    ends the execution. ``harm`` slows cores and links. A link counts the bytes that it carries: none where a link that
    is down ended the transfer before.
    """
    device_ns = 0
    # Unpacked at once, and multiplied only where it changes something: this is a fourth of what an execution costs.
    before, stages, tail_cpu_ns, after, work_ns, pcie_ns, pcie_device = plan
    (lead_ns, upload_ns), (tail_ns, download_ns) = before, after
    with shares.guard:
        given_ns = work_ns if jitter is None else jitter.host_ns(work_ns)
        start_ns, slowdown = shares.host.take(arrival_ns, given_ns)
        pcie = shares.pcie_free_at_ns
        sent_ns = pcie[pcie_device]
        pcie[pcie_device] = sent_ns = (sent_ns if sent_ns > arrival_ns else arrival_ns) + pcie_ns
    if jitter is not None and work_ns:
        slowdown = slowdown * given_ns / work_ns
    if slowdown != 1.0:
        lead_ns, tail_ns, tail_cpu_ns = int(lead_ns * slowdown), int(tail_ns * slowdown), int(tail_cpu_ns * slowdown)
    at_ns = start_ns + lead_ns + upload_ns
    if sent_ns > at_ns:
        at_ns = sent_ns
    for core, cpu_ns, durations_ns, flops, dram_bytes, links, link_bytes, link_ns, neighbours in stages:
        if cpu_ns:
            at_ns += int(cpu_ns * slowdown)
        active = page.busy_count(neighbours, arrival_ns)
        duration_ns = durations_ns[active]
        if jitter is not None:
            duration_ns = jitter.device_ns(duration_ns, active)
        carriers = links
        if harm is not None:
            link_ns, carried = harm.transfer(links, link_ns)
            carriers = links[:carried]
            duration_ns = harm.duration_ns(core, duration_ns, dram_bytes, active, timeout_ns)
        if links:
            for device, eastward in carriers:
                page.count_link(device, eastward, link_bytes)
            at_ns = shares.send(links, at_ns, link_ns, arrival_ns)
        _, at_ns = page.place(core, arrival_ns, at_ns, duration_ns, flops, timeout_ns)
        if duration_ns > timeout_ns:
            return Placed(at_ns, device_ns + timeout_ns, NrtStatus.TIMEOUT, harm)
        device_ns += duration_ns
    # As Placed(...) would, which takes twice as long.
    return tuple.__new__(Placed, (at_ns + tail_cpu_ns + download_ns + tail_ns, device_ns, _SUCCESS, harm))
