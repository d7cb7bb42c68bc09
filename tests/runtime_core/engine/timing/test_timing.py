"""The model follows its figures: every cost stands for something that the instructions do."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_core.engine.timing import model as timing
from runtime_core.engine.timing.parameters import (
    CORE_HALF_FLOPS,
    DRAM_BYTES_PER_SECOND,
    PARAMETERS,
    PE_CLOCK_HZ,
    SINGLE_PASSES,
)
from runtime_core.engine.timing.tiles import pe_seconds
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec

# Nothing but the engines and DRAM.
BARE = PARAMETERS._replace(
    instruction_overhead_seconds=0, node_overhead_seconds=0, execution_overhead_seconds=0, pass_overhead_cycles=0
)
MIB = 1 << 20


def product(rows, inner, outer, dtype=DType.BFLOAT16, constant=True, cast=False):
    """A node of one matrix product."""
    x, y = TensorSpec("x", dtype, (rows, inner)), TensorSpec("y", dtype, (rows, outer))
    w = TensorSpec("w", dtype, (inner, outer))
    step = Instruction(
        EngineKind.PE, "matmul", ("x", "w"), ("y",), {"cast": "bfloat16"} if cast else {}, 2 * rows * inner * outer
    )
    given_, parameters = ((x,), (Parameter(w, 0),)) if constant else ((x, w), ())
    return Node("n", NodeKind.NEURON, given_, (y,), 0, (step,), parameters, (), w.size_bytes if constant else 0)


def seconds(node, active=1, parameters=BARE):
    return sum(timing.instruction_seconds(node, active_cores=active, parameters=parameters))


def on_the_array(node):
    specs = {t.name: t for t in (*node.inputs, *node.outputs, *(p.spec for p in node.parameters))}
    return pe_seconds(node.instructions[0], specs, BARE)


def compute_bound(**options):
    return on_the_array(product(8192, 1024, 1024, **options))


def test_a_product_that_fills_the_array_runs_at_the_published_rate():
    assert compute_bound() == pytest.approx(2 * 8192 * 1024 * 1024 / CORE_HALF_FLOPS, rel=1e-6)


def test_a_contraction_of_one_row_costs_as_much_as_one_of_128():
    narrow, full, more = (on_the_array(product(40_000, k, 128)) for k in (1, 128, 129))
    assert full == pytest.approx(40_000 / PE_CLOCK_HZ, rel=1e-6)
    assert narrow == pytest.approx(full, rel=1e-6)
    assert more == pytest.approx(2 * full, rel=1e-6)


def test_products_of_16_bit_operands_run_at_half_precision_whether_or_not_one_is_constant():
    half = compute_bound()
    assert compute_bound(dtype=DType.FLOAT16) == half
    assert compute_bound(constant=False) == half
    assert compute_bound(dtype=DType.FLOAT16, constant=False) == half


def test_fp32_takes_four_passes_unless_it_is_rounded():
    assert compute_bound(dtype=DType.FLOAT32) == pytest.approx(SINGLE_PASSES * compute_bound(), rel=1e-6)
    assert compute_bound(dtype=DType.FLOAT32, cast=True) == pytest.approx(compute_bound(), rel=1e-6)


def test_flops_that_the_shapes_do_not_show_take_their_time_too():
    heavy = msgspec.structs.replace(
        product(1, 1, 1), instructions=(Instruction(EngineKind.PE, "matmul", ("x", "w"), ("y",), flops=16 * 10**12),)
    )
    assert seconds(heavy) == pytest.approx(1.0, rel=1e-6)


def test_each_pass_of_columns_pays_for_loading_its_tile():
    overhead = BARE._replace(pass_overhead_cycles=100)
    extra = seconds(product(1024, 2048, 2048), parameters=overhead) - seconds(product(1024, 2048, 2048))
    assert extra == pytest.approx(16 * 16 * 1024 / PARAMETERS.pass_columns * 100 / PE_CLOCK_HZ, rel=1e-6)


def test_weights_too_large_for_the_chip_are_read_at_every_execution_and_share_the_bandwidth():
    node = product(1, 16_384, 16_384)
    times = [seconds(node, active) for active in (1, 2, 3, 4)]
    assert times[3] == pytest.approx(node.params_bytes / (DRAM_BYTES_PER_SECOND / 4), rel=0.05)
    # One or two cores are bound by a channel each, more by the chip.
    assert [t / times[3] for t in times] == pytest.approx([0.5, 0.5, 0.75, 1], rel=1e-3)


def test_weights_that_find_room_stay_on_chip():
    node = product(1, 2048, 1024)  # 4 MiB
    other = PARAMETERS.on_chip_bytes
    assert sum(timing.instruction_seconds(node, parameters=BARE)) < 0.2 * node.params_bytes / DRAM_BYTES_PER_SECOND
    crowded = sum(timing.instruction_seconds(node, node.params_bytes + other, parameters=BARE))
    assert crowded > 0.2 * node.params_bytes / DRAM_BYTES_PER_SECOND


def chain(count, inner=4096, cast=True):
    """Products one after the other, each with weights of its own."""
    values = [TensorSpec(f"x{i}", DType.FLOAT32, (128, inner)) for i in range(count + 1)]
    weights = [TensorSpec(f"w{i}", DType.BFLOAT16, (inner, inner)) for i in range(count)]
    steps = tuple(
        Instruction(EngineKind.PE, "matmul", (f"x{i}", f"w{i}"), (f"x{i + 1}",), {"cast": "bfloat16"})
        for i in range(count)
    )
    return Node(
        "n", NodeKind.NEURON, (values[0],), (values[-1],), 0, steps,
        tuple(Parameter(w, 0) for w in weights), tuple(values[1:-1]), sum(w.size_bytes for w in weights),
    )  # fmt: skip


def test_weights_are_read_ahead_while_the_engines_work():
    node = chain(12, inner=1024)
    slow_engines = BARE._replace(pass_overhead_cycles=5000)
    engines = 12 * 64 * 5128 / PE_CLOCK_HZ
    assert seconds(node, 4, slow_engines) == pytest.approx(engines, rel=0.03)


@given(count=st.integers(1, 6), inner=st.sampled_from([128, 1000, 3000]), active=st.integers(1, 4))
def test_a_node_takes_at_least_what_each_resource_needs_and_at_most_all_of_them_in_turn(count, inner, active):
    node = chain(count, inner)
    pe = seconds(node, 1, BARE._replace(on_chip_bytes=1 << 40))
    spent = seconds(node, active)
    traffic = sum(p.spec.size_bytes for p in node.parameters) + 4 * node.inputs[0].size_bytes
    assert pe * 0.999 <= spent <= pe + traffic / timing.core_dram_bandwidth(active)


def test_a_graph_knows_which_nodes_share_a_core():
    first = product(1, 2048, 4096)  # 16 MiB each: one finds room, two do not
    graph = Graph("g", first.inputs, first.outputs, (first, msgspec.structs.replace(first, name="m", core=1)), 2)
    apart = timing.time_graph(graph, (0, 1))
    together = timing.time_graph(graph, (3, 3))
    assert apart.nodes[0].duration_ns[3] < together.nodes[0].duration_ns[3]


def test_tensors_of_the_host_take_their_time_before_and_after():
    node = product(1024, 1024, 4096, dtype=DType.FLOAT32)
    graph = Graph("g", node.inputs, node.outputs, (node,))
    cost = timing.time_graph(graph)
    half_ns = PARAMETERS.execution_overhead_seconds / 2 * 1e9
    assert cost.before.alone_ns == pytest.approx(half_ns + timing.input_timing(4 * MIB).alone_ns, abs=2)
    assert cost.after.alone_ns == pytest.approx(half_ns + timing.output_timing(16 * MIB).alone_ns, abs=2)
    assert timing.input_timing(4 * MIB).alone_ns > 4 * MIB / PARAMETERS.layout_bytes_per_second * 1e9
    assert timing.output_timing(4 * MIB).alone_ns < timing.input_timing(4 * MIB).alone_ns


def test_what_is_sent_to_dram_is_sent_behind_the_instructions():
    """A value too large for the chip goes and comes back while the engines work on others."""
    size = (64 * MIB // 4,)
    big, x, y = TensorSpec("big", DType.FLOAT32, size), TensorSpec("x", DType.FLOAT32, (1024,)), "y"
    steps = (
        Instruction(EngineKind.POOL, "expand", ("x",), ("big",), {}, 10**8),
        Instruction(EngineKind.PE, "matmul", ("x", "x"), ("t",), {}, 8 * 10**10),
        Instruction(EngineKind.POOL, "add", ("big", "t"), (y,), {}, 10**8),
    )
    buffers = (big, TensorSpec("t", DType.FLOAT32, (1024,)))
    node = Node("n", NodeKind.NEURON, (x,), (TensorSpec(y, DType.FLOAT32, (1024,)),), 0, steps, (), buffers)
    engines = seconds(node, 1, BARE._replace(on_chip_bytes=1 << 40))
    slow = timing.instruction_seconds(node, parameters=BARE)
    assert slow[1] == pytest.approx(8 * 10**10 / CORE_HALF_FLOPS * SINGLE_PASSES, rel=0.01)
    assert engines < sum(slow) < engines + 2 * 64 * MIB / timing.core_dram_bandwidth(1)


def test_a_cpu_node_is_paid_by_its_elements_and_needs_no_chip():
    x = TensorSpec("x", DType.FLOAT32, (1000, 1000))
    node = Node("c", NodeKind.CPU, (x,), (msgspec.structs.replace(x, name="y"),))
    cost = timing.time_node(node, parameters=BARE)
    assert cost.duration_ns == (round(2e6 / BARE.vcpu_elements_per_second * 1e9),) * 4
    assert cost.flops == 0


def test_a_link_carries_32_gib_a_second_and_hops_add_up():
    assert timing.link_transfer_ns(32 * 2**30, 1) == 10**9
    assert timing.link_transfer_ns(32 * 2**30, 3) == 3 * 10**9
    assert timing.link_transfer_ns(1 << 20, 0) == 0


def test_the_estimate_is_the_sum_of_the_nodes():
    n = product(128, 128, 128)
    graph = Graph("g", n.inputs, n.outputs, (n, msgspec.structs.replace(n, name="m")))
    assert timing.estimate_device_ns(graph) == 2 * timing.time_node(n).duration_ns[0]
