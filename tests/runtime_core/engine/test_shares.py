"""Executions share vCPUs, PCIe and links, and none waits for what is only planned for later."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_core.engine.shares import Calendar, HostQueue, NodeShares, slowdowns
from runtime_core.instance import instance_type
from runtime_core.neff.graph import DType, Node, NodeKind, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.telemetry import open_source
from runtime_core.virtual.node import VirtualNode

SECOND = 10**9
MS = 10**6

uses = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 60), st.integers(1, 30)), max_size=25)


@given(uses)
def test_a_use_takes_the_first_gap_that_holds_it(plan):
    calendar, taken, now_ns = Calendar(), set(), 0
    for wait_ns, delay_ns, duration_ns in plan:
        now_ns += wait_ns
        earliest_ns = now_ns + delay_ns
        start_ns = calendar.first_gap_ns(earliest_ns, duration_ns)
        calendar.take(start_ns, duration_ns, now_ns)
        wanted = next(
            at for at in range(earliest_ns, 10_000) if not taken.intersection(range(at, at + duration_ns))
        )  # fmt: skip
        assert start_ns == wanted
        taken.update(range(start_ns, start_ns + duration_ns))


def test_transfers_over_one_link_follow_one_another_and_others_pass():
    shares = NodeShares(instance_type("inf1.6xlarge"))
    east, next_east, west = (0, True), (1, True), (1, False)
    assert shares.send([east], 100, 50, 0) == 150
    assert shares.send([east], 100, 50, 0) == 200
    assert shares.send([west], 100, 50, 0) == 150
    # Two hops of 25: the first link is free again at 200.
    assert shares.send([east, next_east], 120, 50, 0) == 250
    # What is planned for later keeps nobody from the time before.
    assert shares.send([east], 50, 50, 0) == 100
    assert shares.send([], 50, 0, 0) == 50


def test_each_vcpu_does_one_piece_of_work_at_a_time():
    host = HostQueue(4)
    starts = [host.take(10, 100) for _ in range(6)]
    # Two physical cores; the second hyperthread adds 0.3 of a core, and the threads share the total.
    assert starts[:4] == [(10, 1.0), (10, 1.0), (10, 3 / 2.3), (10, 4 / 2.6)]
    assert starts[4:] == [(110, 4 / 2.6), (110, 4 / 2.6)]
    assert host.busy_ns(10) == 0
    assert host.busy_ns(60) == 200
    assert host.busy_ns(10**6) == host.given_ns == 100 + 100 + 130 + 3 * 153


@given(st.integers(1, 48), st.floats(0, 1))
def test_more_threads_do_more_in_all_and_less_each(cores, ratio):
    slower = slowdowns(2 * cores, ratio)
    done = [busy / slowdown for busy, slowdown in enumerate(slower, 1)]
    assert all(after >= before - 1e-9 for before, after in pairwise(done))
    assert all(after >= before for before, after in pairwise(slower))
    assert done[-1] == pytest.approx(cores * (1 + ratio))


def with_cpu_nodes(neff, elements):
    """A model that ends in two CPU nodes with a large tensor between them."""
    graph = neff.graph
    (last,) = graph.outputs
    between, output = TensorSpec("z", DType.FLOAT32, (elements,)), TensorSpec("y", DType.FLOAT32, (1,))
    first = Node("cpu0", NodeKind.CPU, (last,), (between,))
    second = Node("cpu1", NodeKind.CPU, (between,), (output,))
    return Neff(msgspec.structs.replace(graph, nodes=(*graph.nodes, first, second), outputs=(output,)), uuid=neff.uuid)


def vcpu_seconds(node):
    source = open_source(f"sim:{node.root}")
    host = source.snapshot(host=True).host
    source.close()
    return sum(vcpu.user for vcpu in host.vcpus), sum(vcpu.idle for vcpu in host.vcpus)


@pytest.mark.parametrize(("size", "vcpus"), [("inf1.xlarge", 4), ("inf1.2xlarge", 8)])
def test_a_node_does_no_more_host_work_than_its_vcpus_can(make_neff, size, vcpus):
    neff = with_cpu_nodes(make_neff(params_mib=1, flops=10**6), 10**8)
    with VirtualNode(size) as node:
        runtime = node.runtime()
        models = [runtime.load(neff, core) for core in range(4)]
        for model in models:
            node.spawn_closed_loop(runtime, model, workers=6)
        node.run(5 * SECOND)
        source = open_source(f"sim:{node.root}")
        (seen,) = source.snapshot().runtimes
        source.close()
        busy, idle = vcpu_seconds(node)
    assert models[0].plan.tail_cpu_ns > 10 * models[0].plan.stages[0].duration_ns[3]
    assert seen.executions.completed == pytest.approx(5 * SECOND / models[0].plan.host_ns * vcpus / 2 * 1.3, rel=0.03)
    assert busy == pytest.approx(5 * vcpus, rel=0.001)
    assert idle == pytest.approx(0, abs=0.01)


def test_vcpu_time_of_a_quiet_host_is_its_work(make_neff):
    with VirtualNode("inf1.xlarge") as node:
        runtime = node.runtime()
        model = runtime.load(make_neff(flops=10**10), 0)
        node.spawn_closed_loop(runtime, model)
        node.run(5 * SECOND)
        busy, idle = vcpu_seconds(node)
    assert busy == pytest.approx(5 * model.plan.host_ns / model.plan.alone_ns, rel=0.001)
    assert busy + idle == pytest.approx(5 * 4)


def test_runtimes_of_a_node_share_its_vcpus(make_neff):
    """A second runtime that loads the host slows the first one's clients."""
    neff = with_cpu_nodes(make_neff(params_mib=1, flops=10**6), 10**8)
    rates = []
    for others in (0, 1):
        with VirtualNode("inf1.xlarge") as node:
            runtimes = [node.runtime(cores=str(core), tag=str(core)) for core in range(1 + others)]
            for runtime in runtimes:
                node.spawn_closed_loop(runtime, runtime.load(neff, 0), workers=4)
            node.run(5 * SECOND)
            source = open_source(f"sim:{node.root}")
            first = next(r for r in source.snapshot().runtimes if r.tag == "0")
            source.close()
            rates.append(first.executions.completed)
    assert rates[1] == pytest.approx(rates[0] / 2, rel=0.05)


@pytest.mark.parametrize("chips", [1, 2])
def test_transfers_of_one_chip_share_its_pcie(make_neff, chips):
    with VirtualNode("inf1.24xlarge") as node:
        runtime = node.runtime()
        for core in range(0, 4 * chips, 2):
            model = runtime.load(make_neff(flops=10**6), core)
            model.plan = model.plan._replace(pcie_ns=10 * MS)
            node.spawn_closed_loop(runtime, model, workers=8)
        node.run(5 * SECOND)
        source = open_source(f"sim:{node.root}")
        (seen,) = source.snapshot().runtimes
        source.close()
    assert seen.executions.completed == pytest.approx(chips * 5 * SECOND / (10 * MS), rel=0.01)
