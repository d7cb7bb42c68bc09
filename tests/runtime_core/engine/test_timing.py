"""The roofline follows its figures."""

import msgspec
import pytest

from runtime_core.engine import timing
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec


def node(flops=0, params_bytes=0, rows=1, dtype=DType.BFLOAT16):
    x = TensorSpec("x", DType.FLOAT32, (rows,))
    y = TensorSpec("y", DType.FLOAT32, (rows,))
    w = Parameter(TensorSpec("w", dtype, (params_bytes // 2,)), 0)
    step = Instruction(EngineKind.PE, "matmul", ("x", "w"), ("y",), flops=flops)
    return Node("n", NodeKind.NEURON, (x,), (y,), 0, (step,), (w,), (), params_bytes)


def test_a_compute_bound_instruction_takes_flops_over_the_cores_rate():
    cost = timing.time_node(node(flops=16 * 10**12))
    assert cost.duration_ns[0] - timing.NODE_OVERHEAD_NS == pytest.approx(1e9, rel=1e-6)
    assert len(set(cost.duration_ns)) == 1


def test_fp32_costs_four_times_bf16():
    slow = timing.time_node(msgspec.structs.replace(node(flops=10**12), parameters=()))
    fast = timing.time_node(node(flops=10**12))
    assert (slow.duration_ns[0] - timing.NODE_OVERHEAD_NS) == pytest.approx(
        4 * (fast.duration_ns[0] - timing.NODE_OVERHEAD_NS), rel=1e-6
    )


def test_a_memory_bound_instruction_shares_the_chips_bandwidth():
    cost = timing.time_node(node(params_bytes=50 * 2**30 // 10))
    net = [d - timing.NODE_OVERHEAD_NS for d in cost.duration_ns]
    assert net[0] == pytest.approx(1e8, rel=1e-3)
    assert [n / net[0] for n in net] == pytest.approx([1, 2, 3, 4], rel=1e-3)


def test_a_link_carries_32_gib_a_second_and_hops_add_up():
    assert timing.link_transfer_ns(32 * 2**30, 1) == 10**9
    assert timing.link_transfer_ns(32 * 2**30, 3) == 3 * 10**9
    assert timing.link_transfer_ns(1 << 20, 0) == 0


def test_the_estimate_is_the_sum_of_the_nodes():
    n = node(flops=10**12)
    graph = Graph("g", n.inputs, n.outputs, (n, msgspec.structs.replace(n, name="m")))
    assert timing.estimate_device_ns(graph) == 2 * timing.time_node(n).duration_ns[0]
