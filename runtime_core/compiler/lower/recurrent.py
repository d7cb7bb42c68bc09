"""Recurrent operators, unrolled: one product for the inputs of all steps, then a step's instructions for each.

The equations are those of ONNX's operator texts (LSTM, GRU, RNN) with their default activations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np

from runtime_core.compiler.ir import Array
from runtime_core.compiler.lower.context import Lowering, Rule, Unsupported
from runtime_core.neff.graph import DType, EngineKind

MAX_STEPS = 512
"""Beyond this the instruction streams would be longer than the work deserves."""


class _Shape(NamedTuple):
    """Extents of a recurrent operator."""

    steps: int
    batch: int
    hidden: int
    directions: int


class _Weights(NamedTuple):
    """Of one direction, by name: [I, G*H] for the input; for the state [H, n] in one or two parts; biases or ""."""

    inputs: str
    input_bias: str
    states: tuple[str, ...]
    state_biases: tuple[str, ...]


class _Emitter:
    """Writes instructions on values of one step [1, B, n]."""

    def __init__(self, lo: Lowering, shape: _Shape) -> None:
        self.lo = lo
        self.shape = shape
        self._hint = next(name for name in lo.node.output if name)

    def value(self, extents: tuple[int, ...]) -> str:
        return self.lo.module.add_value(f"{self._hint}.step", self.lo.dtype(), extents)

    def constant(self, value: Array) -> str:
        return self.lo.module.add_constant(f"{self._hint}.weights", value.astype(self.lo.dtype().value, copy=False))

    def product(self, left: str, right: str) -> str:
        extents = (*self.lo.module.shape(left)[:-1], self.lo.module.shape(right)[-1])
        out = self.value(extents)
        flops = 2 * math.prod(extents) * self.lo.module.shape(right)[0]
        self.lo.emit(EngineKind.PE, "matmul", [left, right], [out], flops=flops)
        return out

    def combine(self, opcode: str, left: str, right: str) -> str:
        extents = np.broadcast_shapes(self.lo.module.shape(left), self.lo.module.shape(right))
        out = self.value(extents)
        self.lo.emit(EngineKind.POOL, opcode, [left, right], [out], flops=math.prod(extents))
        return out

    def apply(self, opcode: str, source: str) -> str:
        out = self.value(self.lo.module.shape(source))
        flops = math.prod(self.lo.module.shape(source))
        self.lo.emit(EngineKind.ACT, opcode, [source], [out], flops=flops)
        return out

    def gates(self, source: str, count: int) -> list[str]:
        size = self.lo.module.shape(source)[-1] // count
        outs = [self.value((1, self.shape.batch, size)) for _ in range(count)]
        self.lo.emit(EngineKind.DMA, "split", [source], outs, axis=2, sizes=[size] * count)
        return outs

    def at(self, source: str, index: int) -> str:
        """One place along the first dimension."""
        out = self.value((1, *self.lo.module.shape(source)[1:]))
        self.lo.emit(EngineKind.DMA, "slice", [source], [out], starts=[index], ends=[index + 1], axes=[0], steps=[1])
        return out


_State: TypeAlias = tuple[str, ...]
_Step: TypeAlias = Callable[[_Emitter, str, _State, _Weights], _State]


def _biased(e: _Emitter, value: str, bias: str) -> str:
    return e.combine("add", value, bias) if bias else value


def _from_state(e: _Emitter, hidden: str, weights: _Weights, part: int = 0) -> str:
    return _biased(e, e.product(hidden, weights.states[part]), weights.state_biases[part])


def _lstm_step(e: _Emitter, projected: str, state: _State, weights: _Weights) -> _State:
    hidden, cell = state
    inner = _from_state(e, hidden, weights)
    entry, out, forget, candidate = e.gates(e.combine("add", projected, inner), 4)
    kept = e.combine("mul", e.apply("sigmoid", forget), cell)
    added = e.combine("mul", e.apply("sigmoid", entry), e.apply("tanh", candidate))
    cell = e.combine("add", kept, added)
    return e.combine("mul", e.apply("sigmoid", out), e.apply("tanh", cell)), cell


def _gru_step(reset_after: bool, e: _Emitter, projected: str, state: _State, weights: _Weights) -> _State:
    (hidden,) = state
    update_in, reset_in, candidate_in = e.gates(projected, 3)
    if reset_after:
        update_state, reset_state, candidate_state = e.gates(_from_state(e, hidden, weights), 3)
        reset = e.apply("sigmoid", e.combine("add", reset_in, reset_state))
        mixed = e.combine("mul", reset, candidate_state)
    else:
        update_state, reset_state = e.gates(_from_state(e, hidden, weights), 2)
        reset = e.apply("sigmoid", e.combine("add", reset_in, reset_state))
        mixed = _from_state(e, e.combine("mul", reset, hidden), weights, 1)
    update = e.apply("sigmoid", e.combine("add", update_in, update_state))
    candidate = e.apply("tanh", e.combine("add", candidate_in, mixed))
    # (1 - z) * candidate + z * hidden, with one product less.
    return (e.combine("add", candidate, e.combine("mul", update, e.combine("sub", hidden, candidate))),)


def _rnn_step(activation: str, e: _Emitter, projected: str, state: _State, weights: _Weights) -> _State:
    return (e.apply(activation, e.combine("add", projected, _from_state(e, state[0], weights))),)


def _weights(lo: Lowering, e: _Emitter, direction: int, gates: int, state_gates: tuple[int, ...]) -> _Weights:
    """A direction's weights, transposed once; ``state_gates``: how many gates each part of the state's has."""
    hidden = e.shape.hidden
    states, biases, start = [], [], 0
    for count in state_gates:
        rows = slice(start * hidden, (start + count) * hidden)
        states.append(_transposed(lo, e, lo.input(2), direction, rows))
        biases.append(
            _part(lo, e, lo.input(3), direction, slice(gates * hidden + rows.start, gates * hidden + rows.stop))
        )
        start += count
    return _Weights(
        _transposed(lo, e, lo.input(1), direction, slice(0, gates * hidden)),
        _part(lo, e, lo.input(3), direction, slice(0, gates * hidden)),
        tuple(states),
        tuple(biases),
    )


def _part(lo: Lowering, e: _Emitter, name: str, direction: int, rows: slice) -> str:
    """Rows of one direction, without the dimension of the directions."""
    if not name:
        return ""
    value = lo.module.constant(name)
    if value is not None:
        return e.constant(np.ascontiguousarray(value[direction, rows]))
    extents = (rows.stop - rows.start, *lo.module.shape(name)[2:])
    cut, flat = e.value((1, *extents)), e.value(extents)
    starts, ends = [direction, rows.start], [direction + 1, rows.stop]
    lo.emit(EngineKind.DMA, "slice", [name], [cut], starts=[*starts], ends=[*ends], axes=[0, 1], steps=[1, 1])
    lo.emit(EngineKind.DMA, "reshape", [cut], [flat], shape=[*extents])
    return flat


def _transposed(lo: Lowering, e: _Emitter, name: str, direction: int, rows: slice) -> str:
    part = _part(lo, e, name, direction, rows)
    value = lo.module.constant(part)
    if value is not None:
        return e.constant(np.ascontiguousarray(value.T))
    turned = e.value(lo.module.shape(part)[::-1])
    lo.emit(EngineKind.DMA, "transpose", [part], [turned], perm=[1, 0])
    return turned


def _refuse(lo: Lowering, shape: _Shape, default: list[str]) -> None:
    """What the unrolled form has no instructions for."""
    names = [a.decode() for a in lo.texts("activations")] or default * shape.directions
    lengths = lo.constant(4)
    whole = not lo.input(4) or (lengths is not None and bool(np.all(lengths == shape.steps)))
    for refused, why in (
        (lo.dtype() is not DType.FLOAT32, "only FP32 is unrolled"),
        (names != default * shape.directions, f"activations {', '.join(names)}"),
        (lo.has("clip"), "clipping"),
        (lo.integer("input_forget", 0) == 1, "coupled input and forget gates"),
        (not whole, "sequences of different lengths"),
        (bool(lo.input(7)), "peepholes"),
        (not 1 <= shape.steps <= MAX_STEPS, f"{shape.steps} steps: 1 to {MAX_STEPS} are unrolled"),
    ):
        if refused:
            raise Unsupported(why)


def _recurrent(lo: Lowering, states: int, state_gates: tuple[int, ...], step: _Step, default: list[str]) -> None:
    steps, batch, _ = lo.shape()
    directions = lo.shape(1)[0]
    shape = _Shape(steps, batch, lo.shape(2)[2], directions)
    _refuse(lo, shape, default)
    e = _Emitter(lo, shape)
    sequences: list[list[str]] = []
    finals: list[_State] = []
    for direction in range(directions):
        weights = _weights(lo, e, direction, sum(state_gates), state_gates)
        projected = _biased(e, e.product(lo.inputs[0], weights.inputs), weights.input_bias)
        state = tuple(_initial(lo, e, 5 + index, direction) for index in range(states))
        backwards = direction == 1 or lo.text("direction", "forward") == "reverse"
        made: dict[int, str] = {}
        for place in range(steps - 1, -1, -1) if backwards else range(steps):
            state = step(e, e.at(projected, place), state, weights)
            made[place] = state[0]
        sequences.append([made[place] for place in range(steps)])
        finals.append(state)
    _write(lo, e, sequences, finals)


def _initial(lo: Lowering, e: _Emitter, index: int, direction: int) -> str:
    if lo.input(index):
        return e.at(lo.input(index), direction)
    return e.constant(np.zeros((1, e.shape.batch, e.shape.hidden), np.float32))


def _write(lo: Lowering, e: _Emitter, sequences: list[list[str]], finals: list[_State]) -> None:
    shape = e.shape
    if lo.outputs[0] and lo.outputs[0] in lo.module.read:
        parts = []
        for sequence in sequences:
            joined = e.value((shape.steps, shape.batch, shape.hidden))
            lo.emit(EngineKind.DMA, "concat", sequence, [joined], axis=0)
            extents = [shape.steps, 1, shape.batch, shape.hidden]
            parts.append(e.value(tuple(extents)))
            lo.emit(EngineKind.DMA, "reshape", [joined], [parts[-1]], shape=[*extents])
        lo.emit(EngineKind.DMA, "concat", parts, [lo.outputs[0]], axis=1)
    for index, name in enumerate(lo.outputs[1:]):
        if name:
            lo.emit(EngineKind.DMA, "concat", [final[index] for final in finals], [name], axis=0)


def _lstm(lo: Lowering) -> None:
    _recurrent(lo, 2, (4,), _lstm_step, ["Sigmoid", "Tanh", "Tanh"])


def _gru(lo: Lowering) -> None:
    reset_after = bool(lo.integer("linear_before_reset", 0))
    _recurrent(lo, 1, (3,) if reset_after else (2, 1), partial(_gru_step, reset_after), ["Sigmoid", "Tanh"])


def _rnn(lo: Lowering) -> None:
    names = lo.texts("activations")
    relu = bool(names) and all(n == b"Relu" for n in names)
    _recurrent(lo, 1, (1,), partial(_rnn_step, "relu" if relu else "tanh"), ["Relu"] if relu else ["Tanh"])


_LIMITS = f"FP32, default activations, up to {MAX_STEPS} steps all of one length; no clipping"

RULES: dict[str, Rule] = {
    "LSTM": Rule(EngineKind.PE, _lstm, f"{_LIMITS}, no peepholes, no coupled gates"),
    "GRU": Rule(EngineKind.PE, _gru, _LIMITS),
    "RNN": Rule(EngineKind.PE, _rnn, f"{_LIMITS}; tanh or relu"),
}
