"""A node under a virtual clock counts the same as under the real clock, but faster."""

import itertools
import json
import random
from collections import Counter
from contextlib import contextmanager, nullcontext
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime_core.driver.faults.slots import clear, inject
from runtime_core.driver.faults.spec import FaultSpec
from runtime_core.driver.faults.table import FaultKind
from runtime_core.driver.pages.page import RuntimePage
from runtime_core.driver.reset import reset_device
from runtime_core.errors import NodeError
from runtime_core.nrt import Runtime
from runtime_core.status import NrtError, NrtStatus
from runtime_core.telemetry import open_source, rates
from runtime_core.virtual import clients, direct
from runtime_core.virtual.clients import RequestQueue, closed_loop, open_loop
from runtime_core.virtual.node import BOOT_UNIX_NS, VirtualNode

MS = 10**6
SECOND = 10**9


@pytest.fixture
def virtual():
    made = []

    def make(type_name="inf1.6xlarge", **options):
        made.append(VirtualNode(type_name, **options))
        return made[-1]

    yield make
    for node in made:
        node.close()


def look(node, **options):
    source = open_source(f"sim:{node.root}")
    try:
        return source.snapshot(**options)
    finally:
        source.close()


def load_everywhere(runtime, neff):
    needed = neff.graph.core_count
    return [runtime.load(neff, start) for start in range(0, len(runtime.cores) - needed + 1, needed)]


def test_a_busy_hour_passes_at_once_and_the_tools_can_read_it(virtual, make_neff):
    node = virtual()
    runtime = node.runtime(cores="0-1", tag="web", command="python serve.py")
    model = runtime.load(make_neff(flops=10**12))
    node.spawn_closed_loop(runtime, model)
    node.run(60 * SECOND)
    before = look(node)
    node.run(120 * SECOND)
    after = look(node, host=True)
    assert (after.time_ns, after.wall_time_ns) == (120 * SECOND, BOOT_UNIX_NS + 120 * SECOND)
    assert (after.host.time_ns, len(after.host.vcpus)) == (120 * SECOND, 24)
    assert (after.host.memory_total_bytes, after.host.memory_used_bytes) == (48 << 30, None)
    (seen,) = after.runtimes
    assert (seen.tag, seen.command, seen.pid, seen.start_ns) == ("web", "python serve.py", 1001, 0)
    assert seen.cpu is None
    (change,) = rates(before, after).runtimes.values()
    stage = model.plan.stages[0]
    period_ns = model.plan.alone_ns
    assert change.executions.completed == pytest.approx(60 * SECOND / period_ns, abs=1)
    assert change.cores[0].utilization_ratio == pytest.approx(stage.duration_ns[0] / period_ns, rel=1e-4)
    assert change.total_latency.quantile_ns(0.99) == pytest.approx(period_ns, rel=0.01)
    assert change.cores[1].utilization_ratio == 0


@contextmanager
def only_the_engine():
    """Clients that are made here leave every execution to the engine."""
    never = patch.object(direct, "can_be_placed_directly", lambda engine, model: False)
    with never, patch.object(clients, "can_be_placed_directly", direct.can_be_placed_directly):
        yield


def through_pages(node, kind):
    """The same runtimes, with one of three ways of counting."""

    def claim(store, tag):
        page = RuntimePage(store, tag=tag, command="", version="", start_ns=0, pid=1)
        page._busy_until = node._busy_until_ns
        return page

    if kind != "write through":
        return node.runtime(tag="t")
    return Runtime(
        root=node.root, environment={"NEURON_PROCESS_TAG": "t"}, clock=node.clock, numerics=False, claim_page=claim
    )


def counted(node):
    (runtime,) = look(node).runtimes
    return runtime._replace(pid=0, version="", models=())


def history(type_name, neff, workers, times_ns, kind):
    """The counts at given times, with every core busy, by the fast path or the general one."""
    with VirtualNode(type_name) as node:
        runtime = through_pages(node, kind)
        for model in load_everywhere(runtime, neff):
            for _ in range(workers):
                with only_the_engine() if kind == "buffered" else nullcontext():
                    node.spawn(closed_loop(runtime.engine, model), model)
        seen = []
        for until_ns in times_ns:
            node.run(until_ns)
            seen.append(counted(node))
        runtime.close()
        return seen, look(node).devices


@settings(max_examples=15)
@given(
    params_mib=st.integers(1, 64),
    workers=st.integers(1, 3),
    cores=st.sampled_from([1, 1, 2, 3]),
    flops=st.integers(0, 10**11),
    times_ns=st.lists(st.integers(1, 20 * MS), min_size=1, max_size=4).map(sorted),
)
def test_however_it_is_counted_the_counters_are_the_same(make_neff, params_mib, workers, cores, flops, times_ns):
    neff = make_neff(params_mib, cores, flops)
    direct, buffered, through = (
        history("inf1.2xlarge", neff, workers, times_ns, kind) for kind in ("direct", "buffered", "write through")
    )
    assert direct == buffered == through
    assert direct[0][-1].executions is not None


def test_the_direct_way_is_taken_for_models_without_cpu_nodes_that_cannot_time_out(virtual, make_neff):
    node = virtual()
    runtime = node.runtime()
    one, two = runtime.load(make_neff(cores=1), 0), runtime.load(make_neff(cores=2), 2)
    assert clients.can_be_placed_directly(runtime.engine, one)
    assert clients.can_be_placed_directly(runtime.engine, two)
    two.timeout_ns = 1
    assert not clients.can_be_placed_directly(runtime.engine, two)


@settings(max_examples=8)
@given(
    cores=st.integers(2, 16),
    workers=st.integers(1, 20),
    flops=st.integers(10**6, 10**10),
    times_ns=st.lists(st.integers(1, 20 * MS), min_size=1, max_size=3).map(sorted),
)
def test_a_pipeline_over_links_is_counted_the_same_by_every_way(make_neff, cores, workers, flops, times_ns):
    neff = make_neff(1, cores, flops)
    direct, buffered, through = (
        history("inf1.6xlarge", neff, workers, times_ns, kind) for kind in ("direct", "buffered", "write through")
    )
    assert direct == buffered == through


def test_both_clocks_count_the_same(node, make_neff, virtual):
    neff = make_neff(flops=2 * 10**11)
    with Runtime(root=node, environment={"NEURON_RT_VISIBLE_CORES": "0"}, numerics=False) as real:
        model = real.load(neff)
        for _ in range(20):
            real.infer(model, {})
        (by_real,) = open_source(f"sim:{node}").snapshot().runtimes
    world = virtual("inf1.6xlarge")
    runtime = world.runtime(cores="0")
    model = runtime.load(neff)
    for _ in range(20):
        runtime.infer(model, {})
    world.publish()
    (by_virtual,) = look(world).runtimes
    assert by_virtual.cores == by_real.cores
    assert by_virtual.executions == by_real.executions
    assert by_virtual.device_latency == by_real.device_latency
    assert by_virtual.host_memory == by_real.host_memory
    # A real caller wakes up late, never early.
    assert by_virtual.total_latency.sum_ns <= by_real.total_latency.sum_ns


def test_stages_of_a_pipeline_overlap_and_count_their_links(virtual, make_neff):
    node = virtual("inf1.24xlarge")
    runtime = node.runtime(cores="2-5")
    model = runtime.load(make_neff(params_mib=32, cores=4), 0)
    node.spawn_closed_loop(runtime, model, workers=8)
    node.run(SECOND)
    snapshot = look(node)
    (seen,) = snapshot.runtimes
    slowest_ns = max(stage.duration_ns[1] for stage in model.plan.stages)
    assert seen.executions.completed == pytest.approx(SECOND / slowest_ns, rel=0.05)
    assert snapshot.devices[0].link_east_bytes == 1024 * (seen.executions.completed + 8)


def arrivals(seed, per_second, until_ns):
    rng, at = random.Random(seed), 0.0
    while (at := at + rng.expovariate(per_second)) * 1e9 < until_ns:
        yield int(at * 1e9)


def pool_run(seed, workers, limit, per_second, neff):
    with VirtualNode("inf1.xlarge") as node:
        runtime = node.runtime(cores="0")
        model = runtime.load(neff)
        queue = RequestQueue(arrivals(seed, per_second, 20 * SECOND), limit=limit)
        for _ in range(workers):
            node.spawn(open_loop(runtime.engine, [model], queue), model)
        node.run(30 * SECOND)
        return counted(node), queue, model.plan


def test_an_open_loop_serves_every_request_and_equal_seeds_give_equal_histories(make_neff):
    neff = make_neff(flops=10**11)
    first, queue, plan = pool_run(7, 4, None, 60, neff)
    assert first == pool_run(7, 4, None, 60, neff)[0]
    assert first != pool_run(8, 4, None, 60, neff)[0]
    wanted = len(list(arrivals(7, 60, 20 * SECOND)))
    assert first.executions.completed == first.total_latency.count == wanted
    stage = plan.stages[0]
    assert first.cores[0].busy_ns == wanted * stage.duration_ns[0]
    assert queue.refused == 0


fault_kinds = st.sampled_from([
    {"kind": FaultKind.SLOW_CORE, "cores": (1,), "factor": 4.0, "ratio": 0.5},
    {"kind": FaultKind.CORE_HANG, "cores": (0, 3)},
    {"kind": FaultKind.MEM_ECC_CORRECTED, "devices": (0,), "rate_per_second": 500.0},
    {"kind": FaultKind.LINK_SLOW, "devices": (0,), "factor": 3.0},
    {"kind": FaultKind.DRAM_FULL, "devices": (0,)},
])  # fmt: skip


@settings(max_examples=15)
@given(
    seed=st.integers(0, 99),
    faults=st.lists(st.tuples(st.integers(0, 300), fault_kinds, st.integers(1, 100)), max_size=3),
    limit=st.sampled_from([None, 2]),
    think_ns=st.integers(0, 5 * MS),
    reset_at=st.none() | st.integers(0, 300),
)
def test_arrivals_and_pauses_are_counted_the_same_by_both_ways(make_neff, seed, faults, limit, think_ns, reset_at):
    one, two = make_neff(flops=10**10), make_neff(1, 2, 10**10)

    def seen():
        with VirtualNode("inf1.6xlarge", seed=seed) as node:
            runtime = node.runtime(environment={"NEURON_RT_EXEC_TIMEOUT": "0.05"})
            models = [runtime.load(one, core) for core in range(4)] + [runtime.load(two, 3), runtime.load(two, 8)]
            queue = RequestQueue(arrivals(seed, 1500, SECOND // 2), limit=limit)
            for first in range(4):
                node.spawn(open_loop(runtime.engine, models[first:] + models[:first], queue), *models)
            for model in models:
                node.spawn(closed_loop(runtime.engine, model, think_ns=think_ns), model)
            for at_ms, fault, ms in faults:
                spec = FaultSpec(**fault, seconds=ms / 1000)
                node.clock.call_at(at_ms * MS, lambda now_ns, spec=spec: inject(node.store, spec, now_ns))
            if reset_at is not None:
                node.clock.call_at(reset_at * MS, lambda now_ns: reset_device(node.store, 0, force=True))
            node.clock.call_every(50 * MS, lambda now_ns: None)
            node.run(600 * MS)
            steady = [model.steady for model in models]
            return counted(node), look(node).devices, queue.late, queue.refused, steady

    by_itself = seen()
    with only_the_engine():
        assert seen() == by_itself
    # All faults have ended: only a reset keeps a model from the direct way.
    assert reset_at is not None or by_itself[-1] == [True] * 6


def test_requests_wait_as_queueing_theory_has_it(make_neff):
    """One worker, Poisson arrivals, fixed service: the mean wait of an M/D/1 queue."""
    neff = make_neff(flops=16 * 10**10)
    _, _, plan = pool_run(0, 1, None, 1, neff)
    service = plan.alone_ns / 1e9
    load = 0.7
    total = count = 0
    for seed in range(5):
        seen, _, _ = pool_run(seed, 1, None, load / service, neff)
        total += seen.total_latency.sum_ns / 1e9
        count += seen.total_latency.count
    assert total / count == pytest.approx(service * (1 + load / (2 * (1 - load))), rel=0.1)


def test_a_full_queue_refuses_requests(make_neff):
    neff = make_neff(flops=16 * 10**11)
    seen, queue, _ = pool_run(3, 1, 2, 100, neff)
    wanted = len(list(arrivals(3, 100, 20 * SECOND)))
    assert queue.refused > 0
    assert seen.executions.failed_to_queue == queue.refused
    assert seen.executions.completed + queue.refused == wanted


def test_an_idle_worker_holds_the_next_request():
    queue = RequestQueue(iter([10, 20, 30, 31, 32]), limit=1)
    assert queue.take(0) == (10, 0)
    assert queue.take(0) == (20, 0)
    assert queue.take(31) == (30, 1)
    assert (queue.refused, queue.late) == (1, 1)
    assert queue.take(40) == (32, 0)
    assert queue.take(50) == (None, 0)


def test_clients_stop_when_they_are_told_and_a_closed_runtime_is_gone(virtual, make_neff):
    node = virtual()
    first, second = node.runtime(cores="0", tag="a"), node.runtime(cores="1", tag="b")
    stop = node.spawn_closed_loop(first, first.load(make_neff()))
    node.spawn_closed_loop(second, second.load(make_neff()), workers=2)
    node.clock.call_at(SECOND, lambda now_ns: setattr(stop, "asked", True))
    node.clock.call_at(2 * SECOND, lambda now_ns: second.close())
    node.run(SECOND + 100 * MS)
    (idle,) = (r for r in look(node).runtimes if r.tag == "a")
    node.run(3 * SECOND)
    (alive,) = look(node).runtimes
    assert alive.executions == idle.executions
    with pytest.raises(NrtError) as caught:
        node.runtime(cores="0")
    assert caught.value.status is NrtStatus.LOAD_NOT_ENOUGH_NC
    third = node.runtime(cores="1", tag="c")
    assert third.cores == (1,)


def closed_clients(node, runtime, model):
    node.spawn_closed_loop(runtime, model, workers=2)


def pooled_clients(node, runtime, model):
    queue = RequestQueue(iter(range(0, 3 * SECOND, 5 * MS)))
    node.spawn(open_loop(runtime.engine, [model], queue), model)


def requesting_clients(node, runtime, model):
    node.spawn(clients.request_loop(runtime.engine, lambda _number: [model], Counter()), model)


@pytest.mark.parametrize("spawn", [closed_clients, pooled_clients, requesting_clients])
@pytest.mark.parametrize("cores", [1, 2], ids=["one stage", "pipeline"])
@pytest.mark.parametrize("before_ns", [-SECOND // 2, MS // 2], ids=["struck before", "struck in progress"])
def test_a_closed_runtime_drops_what_is_in_progress(virtual, make_neff, spawn, cores, before_ns):
    node = virtual()
    runtime = node.runtime(cores="0-1", tag="a")
    spawn(node, runtime, runtime.load(make_neff(1, cores, 10**11)))
    # A fault takes the clients off the direct way: they would write to the page of the runtime when they end.
    fault = FaultSpec(FaultKind.SLOW_CORE, cores=(0,), factor=1.5)
    seen = []
    node.clock.call_at(SECOND + before_ns, lambda now_ns: inject(node.store, fault, now_ns))
    node.clock.call_at(SECOND, lambda now_ns: (node.publish(), seen.append(look(node)), runtime.close()))
    node.run(2 * SECOND)
    (open_one,) = seen[0].runtimes
    assert open_one.executions.completed > 5
    assert look(node).runtimes == ()


def test_a_reset_reaches_running_clients(virtual, make_neff):
    node = virtual()
    runtime = node.runtime(cores="0-3")
    model = runtime.load(make_neff(flops=10**11), 0)
    node.spawn_closed_loop(runtime, model, workers=2)

    node.clock.call_at(SECOND // 2, lambda now_ns: reset_device(node.store, 0, force=True))
    node.run(SECOND)
    (seen,) = look(node).runtimes
    assert seen.executions.completed > 10
    # Two were running; after that each client is refused a thousand times per second.
    refused = seen.cores[0].status.hw_error - 2
    assert refused == pytest.approx(2 * 500, rel=0.05)
    assert seen.executions.completed_with_err == 2 + refused


def test_faults_come_and_go_on_a_timeline(virtual, make_neff):
    neff = make_neff(flops=2 * 10**11)
    node = virtual()
    runtime = node.runtime(cores="0-3")
    models = [runtime.load(neff, core) for core in range(4)]
    for model in models:
        node.spawn_closed_loop(runtime, model)
    node.clock.call_at(
        SECOND,
        lambda now_ns: inject(node.store, FaultSpec(FaultKind.SLOW_CORE, cores=(1,), factor=4.0, seconds=1.0), now_ns),
    )
    seen = []
    node.clock.call_every(SECOND, lambda now_ns: (node.publish(), seen.append(look(node))))
    node.clock.call_at(2 * SECOND, lambda now_ns: clear(node.store))
    node.run(3 * SECOND)
    assert [model.steady for model in models] == [True] * 4
    before, during, after = (
        {core: use.inference_count for core, use in change.runtimes[0].cores.items()} for change in seen
    )
    healthy = before[1]
    assert during[0] - before[0] == pytest.approx(healthy, abs=2)
    assert during[1] - before[1] == pytest.approx(healthy / 4, rel=0.1)
    assert after[1] - during[1] == pytest.approx(healthy, rel=0.05)


@pytest.mark.parametrize(
    ("fault", "struck"),
    [
        (FaultSpec(FaultKind.SLOW_CORE, cores=(1,), factor=4.0, ratio=0.5), {1}),
        (FaultSpec(FaultKind.MEM_ECC_CORRECTED, devices=(1,), rate_per_second=500.0), {4, 6}),
        (FaultSpec(FaultKind.LINK_SLOW, devices=(1,), factor=3.0), {6}),
        (FaultSpec(FaultKind.LOAD_FAILURE, cores=(1,)), set()),
    ],
    ids=lambda value: value.kind.value if isinstance(value, FaultSpec) else "",
)
def test_only_the_models_that_a_fault_strikes_leave_the_direct_way(virtual, make_neff, fault, struck):
    one, two = make_neff(flops=10**10), make_neff(1, 3, 10**10)
    found = []
    for by_itself in (True, False):
        node = virtual(seed=3)
        runtime = node.runtime()
        models = [runtime.load(one, core) for core in range(5)] + [runtime.load(two, 6)]
        for model in models:
            with nullcontext() if by_itself else only_the_engine():
                node.spawn(closed_loop(runtime.engine, model), model)
        node.clock.call_at(50 * MS, lambda now_ns, node=node: inject(node.store, fault, now_ns))
        node.run(200 * MS)
        (seen,) = look(node).runtimes
        found.append((seen.cores, seen.executions, seen.errors, seen.total_latency, look(node).devices))
        if by_itself:
            assert {m.cores[0] for m in models if not m.steady} == struck
    assert found[0] == found[1]


def test_executions_that_take_too_long_time_out(virtual, make_neff):
    node = virtual()
    runtime = node.runtime(cores="0", environment={"NEURON_RT_EXEC_TIMEOUT": "1"})
    model = runtime.load(make_neff(flops=10**15))
    assert model.plan.stages[0].duration_ns[0] > model.timeout_ns == SECOND
    node.spawn_closed_loop(runtime, model)
    node.run(10 * SECOND)
    (seen,) = look(node).runtimes
    assert seen.executions.timed_out == seen.cores[0].status.timeout == 9
    assert seen.executions.completed == 0
    assert seen.cores[0].busy_ns == pytest.approx(10 * SECOND, rel=0.01)


def test_probes_see_the_node_at_their_times(virtual, make_neff):
    node = virtual()
    runtime = node.runtime(cores="0")
    node.spawn_closed_loop(runtime, runtime.load(make_neff(flops=10**11)))
    seen = []

    def probe(now_ns):
        node.publish()
        seen.append(look(node))

    node.clock.call_every(100 * MS, probe)
    node.run(SECOND)
    assert [s.time_ns for s in seen] == [100 * MS * i for i in range(1, 11)]
    busy = [s.runtimes[0].cores[0].busy_ns for s in seen]
    assert all(0 < b - a <= 100 * MS for a, b in itertools.pairwise(busy))


def test_a_node_of_its_own_is_needed_and_a_temporary_one_goes(node, tmp_path):
    with pytest.raises(NodeError, match="already"):
        VirtualNode("inf1.xlarge", root=node)
    with VirtualNode("inf1.xlarge", root=tmp_path / "kept") as kept:
        pass
    assert open_source(f"sim:{kept.root}").snapshot().instance.instance_type == "inf1.xlarge"
    with VirtualNode() as gone:
        pass
    assert not gone.root.exists()


def test_every_viewer_shows_a_node_whose_clock_stands(virtual, make_neff, command, tmp_path):
    node = virtual("inf1.xlarge", root=tmp_path / "virtual")
    runtime = node.runtime(cores="0-1", tag="web", command="python serve.py")
    node.spawn_closed_loop(runtime, runtime.load(make_neff()))
    node.run(10 * SECOND)
    where = {"NEURON_SIM_ROOT": str(node.root), "NEURON_SOURCE": "sim"}
    assert "python serve.py" in command("neuron_ls", **where).stdout
    assert "N/A" in command("neuron_top", "--once", **where).stdout
    report = json.loads(command("neuron_monitor", "--once", **where).stdout)
    (shown,) = report["neuron_runtime_data"]
    assert (shown["pid"], shown["neuron_runtime_tag"]) == (1001, "web")
    assert report["system_data"]["vcpu_usage"]["error"]
