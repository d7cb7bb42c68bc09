"""Recurrent layers: one instruction for all steps of a sequence, in one direction.

Operands: the state (1, B, H), the state's weights (H, G*H), the input's share of every gate (S, B, G*H), a bias of the
state's share (G*H) or none, and for an LSTM the cell (1, B, H). The results are the states of all steps (S, B, H), the
last state, and for an LSTM the last cell. The gates are in ONNX's order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from runtime_core.engine.numerics.types import Array, Attributes, Kernel, Maker, narrowing


def _places(attributes: Attributes, steps: int) -> range:
    return range(steps - 1, -1, -1) if attributes.get("reverse") else range(steps)


def _weights(attributes: Attributes, constants: Sequence[Array | None]) -> Callable[[Array], Array]:
    """What rounds the state's weights; constants were rounded when they were stored."""
    return narrowing(attributes) if constants[1] is None else lambda weight: weight


def _rows(bias: Array | None, batch: int) -> Array | None:
    """The bias of each sample: whole arrays are added twice as fast as rows to them."""
    return None if bias is None else np.repeat(bias[None], batch, axis=0)


def _lstm(attributes: Attributes, constants: Sequence[Array | None]) -> Kernel:
    narrow, narrow_weight = narrowing(attributes), _weights(attributes, constants)

    def lstm(state: Array, weight: Array, shares: Array, bias: Array | None, cell: Array) -> tuple[Array, ...]:
        weight = narrow_weight(weight)
        steps, batch, width = shares.shape
        hidden = width // 4
        states = np.empty((steps, batch, hidden), shares.dtype)
        state, cell, bias = state[0], cell[0].copy(), _rows(bias, batch)
        gates = np.empty((batch, width), shares.dtype)
        added = np.empty((batch, hidden), shares.dtype)
        sigmoids = gates[:, : 3 * hidden]
        entry, out, forget, candidate = (gates[:, i * hidden : (i + 1) * hidden] for i in range(4))
        half = np.asarray(0.5, gates.dtype)
        for place in _places(attributes, steps):
            np.dot(narrow(state), weight, gates)
            if bias is not None:
                np.add(gates, bias, gates)
            np.add(gates, shares[place], gates)
            # sigmoid(x) = tanh(x / 2) / 2 + 1/2: one call for all gates.
            np.multiply(sigmoids, half, sigmoids)
            np.tanh(gates, gates)
            np.multiply(sigmoids, half, sigmoids)
            np.add(sigmoids, half, sigmoids)
            np.multiply(cell, forget, cell)
            np.multiply(entry, candidate, added)
            np.add(cell, added, cell)
            state = states[place]
            np.tanh(cell, state)
            np.multiply(state, out, state)
        return states, state[None], cell[None]

    return lstm


def _parts(weight: Array) -> list[Array]:
    """The weights of update and reset gate, and those of the candidate, which is computed after them."""
    count = weight.shape[1] // 3 * 2
    return [np.ascontiguousarray(weight[:, :count]), np.ascontiguousarray(weight[:, count:])]


def _gru(attributes: Attributes, constants: Sequence[Array | None]) -> Kernel:
    narrow, narrow_weight = narrowing(attributes), _weights(attributes, constants)
    reset_after = bool(attributes.get("reset_after"))
    is_constant = constants[1] is not None
    known: list[Array] | None = None

    def gru(state: Array, weight: Array, shares: Array, bias: Array | None = None) -> tuple[Array, ...]:
        nonlocal known
        steps, batch, width = shares.shape
        hidden = width // 3
        count = 2 * hidden
        states = np.empty((steps, batch, hidden), shares.dtype)
        state, biases = state[0], _rows(bias, batch)
        gate_shares, candidate_shares = shares[:, :, :count], shares[:, :, count:]
        half = np.asarray(0.5, shares.dtype)
        if reset_after:
            weight = narrow_weight(weight)
            gates = np.empty((batch, width), shares.dtype)
            sigmoids, candidate = gates[:, :count], gates[:, count:]
        else:
            weights = known or _parts(narrow_weight(weight))
            if is_constant:
                known = weights
            sigmoids, candidate = np.empty((batch, count), shares.dtype), np.empty((batch, hidden), shares.dtype)
            kept = np.empty((batch, hidden), shares.dtype)
            gate_bias = None if biases is None else biases[:, :count].copy()
            candidate_bias = None if biases is None else biases[:, count:].copy()
        update, reset = sigmoids[:, :hidden], sigmoids[:, hidden:]
        for place in _places(attributes, steps):
            if reset_after:
                np.dot(narrow(state), weight, gates)
                if biases is not None:
                    np.add(gates, biases, gates)
            else:
                np.dot(narrow(state), weights[0], sigmoids)
                if gate_bias is not None:
                    np.add(sigmoids, gate_bias, sigmoids)
            np.add(sigmoids, gate_shares[place], sigmoids)
            # sigmoid(x) = tanh(x / 2) / 2 + 1/2.
            np.multiply(sigmoids, half, sigmoids)
            np.tanh(sigmoids, sigmoids)
            np.multiply(sigmoids, half, sigmoids)
            np.add(sigmoids, half, sigmoids)
            if reset_after:
                np.multiply(candidate, reset, candidate)
            else:
                np.multiply(reset, state, kept)
                np.dot(narrow(kept), weights[1], candidate)
                if candidate_bias is not None:
                    np.add(candidate, candidate_bias, candidate)
            np.add(candidate, candidate_shares[place], candidate)
            np.tanh(candidate, candidate)
            # (1 - z) * candidate + z * state, with one product less.
            following = states[place]
            np.subtract(state, candidate, following)
            np.multiply(following, update, following)
            np.add(following, candidate, following)
            state = following
        return states, state[None]

    return gru


def _rnn(attributes: Attributes, constants: Sequence[Array | None]) -> Kernel:
    narrow, narrow_weight = narrowing(attributes), _weights(attributes, constants)
    rectified = attributes.get("activation") == "relu"

    def rnn(state: Array, weight: Array, shares: Array, bias: Array | None = None) -> tuple[Array, ...]:
        weight = narrow_weight(weight)
        states = np.empty(shares.shape, shares.dtype)
        state, bias = state[0], _rows(bias, shares.shape[1])
        zero = np.zeros((), shares.dtype)
        for place in _places(attributes, len(shares)):
            following = states[place]
            np.dot(narrow(state), weight, following)
            if bias is not None:
                np.add(following, bias, following)
            np.add(following, shares[place], following)
            if rectified:
                np.maximum(following, zero, out=following)
            else:
                np.tanh(following, following)
            state = following
        return states, state[None]

    return rnn


KERNELS: dict[str, Maker] = {"lstm": _lstm, "gru": _gru, "rnn": _rnn}
