"""Recurrent operators: one product for the inputs of all steps, then one instruction per direction.

The equations are those of ONNX's operator texts (LSTM, GRU, RNN) with their default activations.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from runtime_core.compiler.ir import Array
from runtime_core.compiler.lower.context import Lowering, Rule, Unsupported
from runtime_core.neff.graph import AttributeValue, DType, EngineKind


class _Shape(NamedTuple):
    """Extents of a recurrent operator."""

    steps: int
    batch: int
    hidden: int
    directions: int


class _Weights(NamedTuple):
    """Names of the weights of one direction: [I, G*H] for the input, [H, G*H] for the state. A missing bias is ""."""

    inputs: str
    input_bias: str
    state: str
    state_bias: str


class _Kind(NamedTuple):
    """A recurrent operator: its instruction, gates, states, and element-wise work.

    Attributes:
        opcode: the instruction.
        gates: number of gates.
        states: number of tensors that pass from step to step: the state, and the cell of an LSTM.
        vector_operations: element-wise operations of a step for each element of the state, without biases.
        activations: the default activations, the only ones that the engines have.
    """

    opcode: str
    gates: int
    states: int
    vector_operations: int
    activations: list[str]


class _Emitter:
    """Emits instructions, with names for their values."""

    def __init__(self, lo: Lowering, shape: _Shape) -> None:
        self.lo = lo
        self.shape = shape
        self._hint = next(name for name in lo.node.output if name)

    def value(self, extents: tuple[int, ...]) -> str:
        return self.lo.module.add_value(f"{self._hint}.steps", self.lo.dtype(), extents)

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

    def at(self, source: str, index: int) -> str:
        """Slice one position of the first dimension."""
        out = self.value((1, *self.lo.module.shape(source)[1:]))
        self.lo.emit(EngineKind.DMA, "slice", [source], [out], starts=[index], ends=[index + 1], axes=[0], steps=[1])
        return out


def _weights(lo: Lowering, e: _Emitter, direction: int, gates: int) -> _Weights:
    """The weights of a direction, transposed in advance."""
    rows = gates * e.shape.hidden
    return _Weights(
        _transposed(lo, e, lo.input(1), direction, slice(0, rows)),
        _part(lo, e, lo.input(3), direction, slice(0, rows)),
        _transposed(lo, e, lo.input(2), direction, slice(0, rows)),
        _part(lo, e, lo.input(3), direction, slice(rows, 2 * rows)),
    )


def _part(lo: Lowering, e: _Emitter, name: str, direction: int, rows: slice) -> str:
    """Rows of one direction, without the direction dimension."""
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
    """Refuse what the instructions do not support."""
    names = [a.decode() for a in lo.texts("activations")] or default * shape.directions
    lengths = lo.constant(4)
    whole = not lo.input(4) or (lengths is not None and bool(np.all(lengths == shape.steps)))
    for refused, why in (
        (lo.dtype() is not DType.FLOAT32, f"no engine runs recurrent steps on {lo.dtype().value}"),
        (names != default * shape.directions, f"activations {', '.join(names)}"),
        (lo.has("clip"), "clipping"),
        (lo.integer("input_forget", 0) == 1, "coupled input and forget gates"),
        (not whole, "sequences of different lengths"),
        (bool(lo.input(7)), "peepholes"),
        (not shape.steps, "a sequence without steps"),
    ):
        if refused:
            raise Unsupported(why)


def _recurrent(lo: Lowering, kind: _Kind, **attributes: AttributeValue) -> None:
    steps, batch, _ = lo.shape()
    directions = lo.shape(1)[0]
    shape = _Shape(steps, batch, lo.shape(2)[2], directions)
    _refuse(lo, shape, kind.activations)
    e = _Emitter(lo, shape)
    sequences: list[str] = []
    finals: list[list[str]] = []
    for direction in range(directions):
        weights = _weights(lo, e, direction, kind.gates)
        shares = e.product(lo.inputs[0], weights.inputs)
        if weights.input_bias:
            shares = e.combine("add", shares, weights.input_bias)
        state, *cell = (_initial(lo, e, 5 + index, direction) for index in range(kind.states))
        backwards = direction == 1 or lo.text("direction", "forward") == "reverse"
        sequence = e.value((steps, batch, shape.hidden))
        last = [e.value((1, batch, shape.hidden)) for _ in range(kind.states)]
        lo.emit(
            EngineKind.PE,
            kind.opcode,
            [state, weights.state, shares, weights.state_bias, *cell],
            [sequence, *last],
            flops=_flops(shape, kind, bool(weights.state_bias)),
            **({"reverse": 1} if backwards else {}),
            **attributes,
        )
        sequences.append(sequence)
        finals.append(last)
    _write(lo, e, sequences, finals)


def _flops(shape: _Shape, kind: _Kind, has_bias: bool) -> int:
    width = kind.gates * shape.hidden
    vector = kind.vector_operations * shape.hidden + (width if has_bias else 0)
    return shape.steps * shape.batch * (2 * shape.hidden * width + vector)


def _initial(lo: Lowering, e: _Emitter, index: int, direction: int) -> str:
    if lo.input(index):
        return e.at(lo.input(index), direction)
    return e.constant(np.zeros((1, e.shape.batch, e.shape.hidden), np.float32))


def _write(lo: Lowering, e: _Emitter, sequences: list[str], finals: list[list[str]]) -> None:
    shape = e.shape
    if lo.outputs[0] and lo.outputs[0] in lo.module.read:
        extents = [shape.steps, 1, shape.batch, shape.hidden]
        parts = []
        for sequence in sequences:
            parts.append(e.value(tuple(extents)))
            lo.emit(EngineKind.DMA, "reshape", [sequence], [parts[-1]], shape=[*extents])
        lo.emit(EngineKind.DMA, "concat", parts, [lo.outputs[0]], axis=1)
    for index, name in enumerate(lo.outputs[1:]):
        if name:
            lo.emit(EngineKind.DMA, "concat", [final[index] for final in finals], [name], axis=0)


# An LSTM adds the input's part of all gates in one instruction, the others add it gate by gate.
_LSTM = _Kind("lstm", 4, 2, 9 + 4, ["Sigmoid", "Tanh", "Tanh"])
_GRU = _Kind("gru", 3, 1, 10, ["Sigmoid", "Tanh"])
_RNN = _Kind("rnn", 1, 1, 2, ["Tanh"])
# An addition can apply ReLU to its result without a further operation.
_RECTIFIED = _Kind("rnn", 1, 1, 1, ["Relu"])


def _lstm(lo: Lowering) -> None:
    _recurrent(lo, _LSTM)


def _gru(lo: Lowering) -> None:
    _recurrent(lo, _GRU, **({"reset_after": 1} if lo.integer("linear_before_reset", 0) else {}))


def _rnn(lo: Lowering) -> None:
    names = lo.texts("activations")
    if names and all(n == b"Relu" for n in names):
        _recurrent(lo, _RECTIFIED, activation="relu")
    else:
        _recurrent(lo, _RNN, activation="tanh")


_LIMITS = "FP32, default activations, all sequences of one length; no clipping"

RULES: dict[str, Rule] = {
    "LSTM": Rule(EngineKind.PE, _lstm, f"{_LIMITS}, no peepholes, no coupled gates"),
    "GRU": Rule(EngineKind.PE, _gru, _LIMITS),
    "RNN": Rule(EngineKind.PE, _rnn, f"{_LIMITS}; tanh or relu"),
}
