"""Recurrent instructions have the bits of their steps, one operation after the other."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from runtime_core.engine.numerics.recurrent import KERNELS
from runtime_core.engine.numerics.types import Array

STEPS, HIDDEN = 9, 20
HALF = np.float32(0.5)


def sigmoid(x: Array) -> Array:
    return np.tanh(x * HALF) * HALF + HALF


def rounding(cast: str):
    if not cast:
        return lambda x: x
    return lambda x: x.astype(ml_dtypes.bfloat16).astype(np.float32)


def lstm(share, state, cell, weight, bias, cast):
    gates = share + ((cast(state) @ weight) + bias)
    entry, out, forget, candidate = np.split(gates, 4, axis=1)
    cell = sigmoid(forget) * cell + sigmoid(entry) * np.tanh(candidate)
    return sigmoid(out) * np.tanh(cell), cell


def gru_before(share, state, _cell, weight, bias, cast):
    update_in, reset_in, candidate_in = np.split(share, 3, axis=1)
    first, last = np.ascontiguousarray(weight[:, : 2 * HIDDEN]), np.ascontiguousarray(weight[:, 2 * HIDDEN :])
    update_state, reset_state = np.split((cast(state) @ first) + bias[: 2 * HIDDEN], 2, axis=1)
    update, reset = sigmoid(update_in + update_state), sigmoid(reset_in + reset_state)
    candidate = np.tanh(candidate_in + ((cast(reset * state) @ last) + bias[2 * HIDDEN :]))
    return candidate + update * (state - candidate), None


def gru_after(share, state, _cell, weight, bias, cast):
    update_in, reset_in, candidate_in = np.split(share, 3, axis=1)
    update_state, reset_state, candidate_state = np.split((cast(state) @ weight) + bias, 3, axis=1)
    update, reset = sigmoid(update_in + update_state), sigmoid(reset_in + reset_state)
    candidate = np.tanh(candidate_in + reset * candidate_state)
    return candidate + update * (state - candidate), None


def rnn(share, state, _cell, weight, bias, cast):
    return np.tanh(share + ((cast(state) @ weight) + bias)), None


def relu(share, state, _cell, weight, bias, cast):
    return np.maximum(share + ((cast(state) @ weight) + bias), np.float32(0)), None


CASES = [
    ("lstm", {}, 4, lstm),
    ("gru", {}, 3, gru_before),
    ("gru", {"reset_after": 1}, 3, gru_after),
    ("rnn", {}, 1, rnn),
    ("rnn", {"activation": "relu"}, 1, relu),
]


@pytest.mark.parametrize(("opcode", "attributes", "gates", "step"), CASES)
@pytest.mark.parametrize("reverse", [0, 1])
@pytest.mark.parametrize("cast", ["", "bfloat16"])
@pytest.mark.parametrize(("constant", "batch"), [(True, 1), (True, 3), (False, 3)])
def test_steps(opcode, attributes, gates, step, reverse, cast, constant, batch):
    rng = np.random.default_rng(7)
    shares, weight, bias, state, cell = (
        rng.standard_normal(s, np.float32) * np.float32(0.3)
        for s in ((STEPS, batch, gates * HIDDEN), (HIDDEN, gates * HIDDEN), (gates * HIDDEN,),
                  (1, batch, HIDDEN), (1, batch, HIDDEN))
    )  # fmt: skip
    given = [v.copy() for v in (shares, weight, state, cell)]
    narrow = rounding(cast)
    stored = narrow(weight) if constant else weight
    kernel = KERNELS[opcode](
        {**attributes, "reverse": reverse, **({"cast": cast} if cast else {})},
        [None, stored if constant else None, None, None, None],
    )
    found = kernel(state, stored, shares, bias, *([cell] if opcode == "lstm" else []))
    expected = [np.zeros(0)] * STEPS
    now, inner = state[0], cell[0]
    for place in reversed(range(STEPS)) if reverse else range(STEPS):
        now, inner = step(shares[place], now, inner, narrow(weight), bias, narrow)
        expected[place] = now
    assert found[0].tobytes() == np.stack(expected).tobytes()
    assert found[1].tobytes() == now.tobytes()
    assert found[1].shape == state.shape
    if opcode == "lstm":
        assert found[2].tobytes() == inner.tobytes()
    assert all(a.tobytes() == b.tobytes() for a, b in zip(given, (shares, weight, state, cell), strict=True))
