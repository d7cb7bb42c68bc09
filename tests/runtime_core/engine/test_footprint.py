"""Parts and totals of a model's memory agree."""

from runtime_core.engine.footprint import footprints, scratch_bytes
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, TensorSpec

X, Y = TensorSpec("x", DType.FLOAT32, (256,)), TensorSpec("y", DType.FLOAT32, (256,))


def chain(length, core=0, name="n"):
    names = ["x", *(f"t{i}" for i in range(length)), "y"]
    steps = tuple(Instruction(EngineKind.ACT, "relu", (a,), (b,)) for a, b in zip(names, names[1:], strict=False))
    buffers = tuple(TensorSpec(n, DType.FLOAT32, (256,)) for n in names[1:-1])
    return Node(name, NodeKind.NEURON, (X,), (Y,), core, steps, (), buffers, 128)


def test_scratch_is_what_lives_at_one_time_not_the_sum():
    assert scratch_bytes(chain(0)) == 0
    assert scratch_bytes(chain(1)) == 1024
    assert scratch_bytes(chain(10)) == 2048


def test_each_core_holds_its_own_nodes():
    graph = Graph("g", (X,), (Y,), (chain(3, 0, "a"), chain(3, 1, "b"), chain(3, 1, "c")), core_count=2)
    first, second = footprints(graph, (4, 5))
    assert (first.core, second.core) == (4, 5)
    assert second.device[0] == 2 * first.device[0] == 256
    assert first.dram_bytes == sum(first.device) + first.scratchpad_bytes
