"""Links and vCPUs serve one use at a time, and none waits for what is only planned for later."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_core.engine.shares import Calendar, NodeShares
from runtime_core.instance import instance_type
from runtime_core.neff.graph import DType, Node, NodeKind, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.telemetry import open_source
from runtime_core.virtual.node import VirtualNode

SECOND = 10**9

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


def test_cpu_nodes_run_on_as_many_vcpus_as_there_are():
    size = instance_type("inf1.xlarge")
    shares = NodeShares(size)
    ends = [shares.compute(10, 100, 0) for _ in range(size.vcpu_count * 2)]
    assert ends == [110] * size.vcpu_count + [210] * size.vcpu_count


def with_cpu_nodes(neff, elements):
    """A model that ends in two CPU nodes with a large tensor between them."""
    graph = neff.graph
    (last,) = graph.outputs
    between, output = TensorSpec("z", DType.FLOAT32, (elements,)), TensorSpec("y", DType.FLOAT32, (1,))
    first = Node("cpu0", NodeKind.CPU, (last,), (between,))
    second = Node("cpu1", NodeKind.CPU, (between,), (output,))
    return Neff(msgspec.structs.replace(graph, nodes=(*graph.nodes, first, second), outputs=(output,)), uuid=neff.uuid)


@pytest.mark.parametrize(("size", "vcpus"), [("inf1.xlarge", 4), ("inf1.2xlarge", 8)])
def test_a_node_serves_no_more_cpu_nodes_than_its_vcpus_can(make_neff, size, vcpus):
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
    assert models[0].plan.tail_cpu_ns > 10 * models[0].plan.stages[0].duration_ns[3]
    assert seen.executions.completed == pytest.approx(5 * SECOND / models[0].plan.tail_cpu_ns * vcpus, rel=0.03)
