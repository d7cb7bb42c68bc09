"""RNN, GRU, LSTM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.conformance.variants.generator import Of, Variant, for_operators


def _recurrent(of: Of, gates: int) -> Iterator[tuple[str, dict[str, Any], list[Any]]]:
    steps, batch, size, hidden = 3, 2, 4, 3

    def weights(directions: int) -> list[np.ndarray]:
        return [
            of.data(directions, gates * hidden, size, low=-1, high=1),
            of.data(directions, gates * hidden, hidden, low=-1, high=1),
            of.data(directions, 2 * gates * hidden, low=-1, high=1),
        ]

    x, initial = of.data(steps, batch, size, low=-1, high=1), of.data(1, batch, hidden)
    yield "", {}, [x, *weights(1)[:2]]
    yield "bias", {}, [x, *weights(1)]
    yield "reverse", {"direction": "reverse"}, [x, *weights(1)]
    yield "both", {"direction": "bidirectional"}, [x, *weights(2)]
    yield "lengths", {}, [x, *weights(1), np.array([3, 1], np.int32)]
    yield "lengths reverse", {"direction": "reverse"}, [x, *weights(1), np.array([1, 2], np.int32)]
    yield "initial", {}, [x, *weights(1), None, initial]
    yield "clip", {"clip": 0.4}, [x, *weights(1)]
    if of.version >= 14:
        yield "batch first", {"layout": 1}, [x.swapaxes(0, 1).copy(), *weights(1)]
        yield "batch first both", {"layout": 1, "direction": "bidirectional"}, [x.swapaxes(0, 1).copy(), *weights(2)]


@for_operators("RNN")
def _rnn(of: Of) -> Iterator[Variant]:
    every = list(_recurrent(of, 1))
    for label, attributes, inputs in every:
        yield Variant(label, {"hidden_size": 3} | attributes, inputs, 2, (1, 2, 3) if len(inputs) > 3 else (1, 2))
    for name in ("Relu", "Sigmoid", "Softsign"):
        yield Variant(name, {"hidden_size": 3, "activations": [name]}, every[1][2], 2, (1, 2, 3))
    relu = {"hidden_size": 3, "activations": ["Relu", "Tanh"], "direction": "bidirectional"}
    yield Variant("mixed", relu, every[3][2], 2, (1, 2, 3))
    yield Variant("relu clip", {"hidden_size": 3, "activations": ["Relu"], "clip": 0.5}, every[1][2], 2, (1, 2, 3))
    affine = {"hidden_size": 3, "activations": ["Affine"], "activation_alpha": [0.5], "activation_beta": [0.1]}
    yield Variant("affine", affine, every[1][2], 2, (1, 2, 3))


@for_operators("GRU")
def _gru(of: Of) -> Iterator[Variant]:
    every = list(_recurrent(of, 3))
    for label, attributes, inputs in every:
        yield Variant(label, {"hidden_size": 3} | attributes, inputs, 2, (1, 2, 3) if len(inputs) > 3 else (1, 2))
    yield Variant("after", {"hidden_size": 3, "linear_before_reset": 1}, every[1][2], 2, (1, 2, 3))
    yield Variant("activations", {"hidden_size": 3, "activations": ["HardSigmoid", "Relu"]}, every[1][2], 2, (1, 2, 3))


@for_operators("LSTM")
def _lstm(of: Of) -> Iterator[Variant]:
    every = list(_recurrent(of, 4))
    for label, attributes, inputs in every:
        given = [*inputs, of.data(1, 2, 3)] if label == "initial" else inputs
        yield Variant(label, {"hidden_size": 3} | attributes, given, 3, (1, 2, 3) if len(inputs) > 3 else (1, 2))
    peepholes = [*every[1][2], None, None, None, of.data(1, 9)]
    yield Variant("peepholes", {"hidden_size": 3}, peepholes, 3, (1, 2, 3, 7))
    yield Variant("coupled", {"hidden_size": 3, "input_forget": 1}, every[1][2], 3, (1, 2, 3))
