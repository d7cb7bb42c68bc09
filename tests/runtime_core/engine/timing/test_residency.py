"""What travels to DRAM: weights, borders, and what has no room."""

import pytest

from runtime_core.engine.timing.residency import peak_bytes, traffic
from runtime_core.neff.graph import DType, EngineKind, Instruction, Node, NodeKind, Parameter, TensorSpec

KIB = 1024
ROOMY = 1 << 30


def value(name, kib, dtype=DType.FLOAT32):
    return TensorSpec(name, dtype, (kib * KIB // (4 if dtype is DType.FLOAT32 else 2),))


def dram(moved):
    return moved.read_bytes + moved.written_bytes


def step(opcode, reads, writes, engine=EngineKind.DMA, **attributes):
    return Instruction(engine, opcode, tuple(reads.split()), tuple(writes.split()), attributes)


def node(steps, inputs, outputs, buffers=(), parameters=()):
    return Node(
        "n", NodeKind.NEURON, tuple(inputs), tuple(outputs), 0, tuple(steps),
        tuple(Parameter(p, 0) for p in parameters), tuple(buffers),
    )  # fmt: skip


def test_with_room_only_the_borders_and_the_weights_travel():
    steps = [
        step("matmul", "x w", "a", EngineKind.PE),
        step("transpose", "a", "b"),
        step("transpose", "b", "y"),
    ]
    n = node(steps, [value("x", 4)], [value("y", 4)], [value("a", 4), value("b", 4)], [value("w", 100)])
    moved = traffic(n, ROOMY)
    assert [t.parameter_bytes for t in moved] == [100 * KIB, 0, 0]
    assert [dram(t) for t in moved] == [4 * KIB, 0, 4 * KIB]
    assert [t.moved_bytes for t in moved] == [0, 8 * KIB, 8 * KIB]
    assert peak_bytes(n) == 8 * KIB


def test_what_is_read_last_makes_room_and_comes_back():
    steps = [
        step("transpose", "x", "late"),
        step("transpose", "x", "a"),
        step("transpose", "a", "b"),
        step("add", "b late", "y", EngineKind.POOL),
    ]
    n = node(steps, [value("x", 4)], [value("y", 4)], [value(name, 4) for name in ("late", "a", "b")])
    assert sum(dram(t) for t in traffic(n, 8 * KIB)) == 8 * KIB
    assert sum(dram(t) for t in traffic(n, 4 * KIB)) == (8 + 4 + 4) * KIB
    # Half of it finds room.
    assert sum(dram(t) for t in traffic(n, 6 * KIB)) == (8 + 2 + 2) * KIB


def test_what_was_written_once_is_only_read_again():
    steps = [step("transpose", "x", "late")]
    for i in range(3):
        steps += [step("transpose", "x", f"a{i}"), step("add", f"a{i} late", f"b{i}", EngineKind.POOL)]
    steps.append(step("concat", "b0 b1 b2", "y"))
    small = [value(f"{kind}{i}", 1) for kind in "ab" for i in range(3)]
    n = node(steps, [value("x", 1)], [value("y", 3)], [value("late", 64), *small])
    assert sum(dram(t) for t in traffic(n, 16 * KIB)) < (1 + 3 + 64 + 3 * 64) * KIB


def test_more_room_never_means_more_traffic():
    steps = [step("transpose", "x", "a0")] + [step("add", f"a{i} x", f"a{i + 1}", EngineKind.POOL) for i in range(6)]
    steps.append(step("concat", " ".join(f"a{i}" for i in range(7)), "y"))
    n = node(steps, [value("x", 4)], [value("y", 28)], [value(f"a{i}", 4) for i in range(7)])
    totals = [sum(dram(t) for t in traffic(n, room * KIB)) for room in range(4, 64, 4)]
    assert totals == sorted(totals, reverse=True)
    assert totals[0] > totals[-1] == 32 * KIB


def test_what_only_rounding_readers_read_is_stored_rounded():
    def spilled(cast):
        attributes = {"cast": "bfloat16"} if cast else {}
        steps = [
            step("transpose", "x", "a"),
            step("transpose", "x", "other"),
            step("transpose", "other", "b"),
            step("matmul", "a b", "y", EngineKind.PE, **attributes),
        ]
        n = node(steps, [value("x", 4)], [value("y", 4)], [value(name, 4) for name in ("a", "other", "b")])
        return sum(dram(t) for t in traffic(n, 0))

    assert spilled(True) < spilled(False)


def test_a_result_goes_straight_to_the_engine_that_takes_it_next():
    steps = [step("matmul", "x w", "a", EngineKind.PE), step("relu", "a", "y", EngineKind.ACT)]
    n = node(steps, [value("x", 4)], [value("y", 4)], [value("a", 4)], [value("w", 4)])
    assert [dram(t) for t in traffic(n, 0)] == [4 * KIB, 4 * KIB]
    apart = node([steps[0], step("copy", "x", "c"), steps[1]], n.inputs, n.outputs, [*n.buffers, value("c", 4)],
                 [value("w", 4)])  # fmt: skip
    assert sum(dram(t) for t in traffic(apart, 0)) > 8 * KIB


def test_reshaping_moves_nothing():
    steps = [step("transpose", "x", "a"), step("reshape", "a", "b"), step("transpose", "b", "y")]
    n = node(steps, [value("x", 4)], [value("y", 4)], [value("a", 4), value("b", 4)])
    assert traffic(n, ROOMY)[1][:4] == (0, 0, 0, 0)
    assert sum(dram(t) for t in traffic(n, ROOMY)) == 8 * KIB


@pytest.mark.parametrize("opcode", ["gather", "gather_nd", "gather_elements"])
def test_a_table_is_read_by_rows(opcode):
    rows = step(opcode, "table i", "y")
    n = node([rows], [TensorSpec("i", DType.INT64, (16,))], [value("y", 4)], (), [value("table", 10_000)])
    (moved,) = traffic(n, ROOMY)
    assert moved.parameter_bytes == 0
    assert (moved.read_bytes, moved.written_bytes) == (16 * 8 + 4 * KIB, 4 * KIB)
