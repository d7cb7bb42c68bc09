"""A recurrent instruction takes the time of its steps' instructions one by one."""

import pytest

from runtime_core.engine.timing.model import time_node
from runtime_core.neff.graph import DType, EngineKind, Instruction, Node, NodeKind, Parameter, TensorSpec

# Products by their part of the gates, and the elements of what follows: in states, "b" a bias of the product before.
STEPS = {
    ("lstm", ""): [4, "b", 4, *[1] * 9],
    ("gru", ""): [2, "b", *[1] * 3, 1, "b", *[1] * 7],
    ("gru", "after"): [3, "b", *[1] * 10],
    ("rnn", "tanh"): [1, "b", 1, 1],
    ("rnn", "relu"): [1, "b", 1],
}
PRODUCTS = {("lstm", ""): [0], ("gru", ""): [0, 5], ("gru", "after"): [0], ("rnn", "tanh"): [0], ("rnn", "relu"): [0]}
GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def spec(name, *shape):
    return TensorSpec(name, DType.FLOAT32, shape)


def fused(kind, steps, batch, hidden, bias, cast):
    opcode, variant = kind
    width = GATES[opcode] * hidden
    constants = [spec("r", hidden, width), spec("h", 1, batch, hidden), spec("c", 1, batch, hidden)]
    constants += [spec("b", width)] if bias else []
    attributes = {"after": {"reset_after": 1}, "relu": {"activation": "relu"}}.get(variant, {})
    inputs = ("h", "r", "x", "b" if bias else "", *(["c"] if opcode == "lstm" else []))
    states = ("h1", "c1") if opcode == "lstm" else ("h1",)
    step = Instruction(EngineKind.PE, opcode, inputs, ("y", *states), {**attributes, **cast})
    buffers = tuple(spec(n, 1, batch, hidden) for n in states)
    return node(steps, batch, hidden, width, constants, [step], buffers)


def node(steps, batch, hidden, width, constants, instructions, buffers):
    parameters, end = [], 0
    for constant in constants:
        parameters.append(Parameter(constant, end))
        end += constant.size_bytes
    x, y = spec("x", steps, batch, width), spec("y", steps, batch, hidden)
    return Node("n", NodeKind.NEURON, (x,), (y,), 0, tuple(instructions), tuple(parameters), buffers, end)


def unrolled(kind, steps, batch, hidden, bias, cast):
    opcode, _ = kind
    width = GATES[opcode] * hidden
    instructions, buffers, last = [], [spec("h", 1, batch, hidden)], "h"
    constants = [spec(f"r{n}", hidden, n * hidden) for n in (1, 2, 3, 4)]
    for number in range(steps):
        extent = 0
        for place, what in enumerate(STEPS[kind]):
            if what == "b" and not bias:
                continue
            extent = what if what != "b" else extent
            name, size = f"{number}.{place}", extent * hidden * batch
            buffers.append(spec(name, 1, batch, extent * hidden))
            if place in PRODUCTS[kind]:
                step = Instruction(
                    EngineKind.PE, "matmul", ("h", f"r{extent}"), (name,), cast, 2 * batch * hidden * extent * hidden
                )
            else:
                step = Instruction(EngineKind.POOL, "add", (last, last), (name,), {}, size)
            instructions.append(step)
            last = name
    buffers = [b for b in buffers if b.name != "h"]
    constants.append(spec("h", 1, batch, hidden))
    # What is written at the end of the node.
    instructions.append(Instruction(EngineKind.DMA, "concat", (last, "x"), ("y",), {}))
    return node(steps, batch, hidden, width, constants, instructions, tuple(buffers))


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cast", [{}, {"cast": "bfloat16"}])
@pytest.mark.parametrize(("steps", "batch", "hidden"), [(1, 1, 16), (40, 1, 128), (7, 200, 130)])
def test_time_of_the_steps(kind, bias, cast, steps, batch, hidden):
    one, other = (time_node(make(kind, steps, batch, hidden, bias, cast)) for make in (fused, unrolled))
    # The transfers of the node's own tensors run beside its steps, or behind them.
    transfers_ns = 4 * steps * batch * hidden * (1 + GATES[kind[0]]) / 20
    assert one.duration_ns[0] == pytest.approx(other.duration_ns[0], abs=transfers_ns + 2)
    assert one.duration_ns[0] > steps * len(STEPS[kind]) * 4000 * (0.7 if not bias else 1)
