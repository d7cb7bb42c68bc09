"""Transformer encoders with a classification head: BERT base and two distilled models with half its layers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from onnx import ModelProto

from neuron_tools.models.builder import NetworkBuilder

HIDDEN = 768
HEADS = 12
FEED_FORWARD = 3072
LABELS = 2
_MASKED = -10000.0


class Encoder(NamedTuple):
    """Parameters in which the encoders differ.

    Attributes:
        vocabulary: rows of the word embedding.
        positions: rows of the position embedding.
        first_position: row of the first token (RoBERTa reserves two rows for padding).
        segments: rows of the segment embedding; 0: none.
        layers: number of encoder layers.
        pooler: activation of the dense layer over the first token, before the classifier.
    """

    vocabulary: int
    positions: int
    first_position: int
    segments: int
    layers: int
    pooler: str


BERT_BASE_CASED = Encoder(28996, 512, 0, 2, 12, "Tanh")
BERT_BASE_UNCASED = Encoder(30522, 512, 0, 2, 12, "Tanh")
DISTILBERT = Encoder(30522, 512, 0, 0, 6, "Relu")
DISTILROBERTA = Encoder(50265, 514, 2, 1, 6, "Tanh")


def build_encoder(name: str, encoder: Encoder, batch: int, sequence: int, seed: int, dtype: str) -> ModelProto:
    """Build the encoder: int64 ``input_ids``, ``attention_mask`` (and ``token_type_ids``) to ``logits``."""
    net = NetworkBuilder(name, seed, dtype)
    x, mask = _embed(net, encoder, batch, sequence, dtype)
    for _ in range(encoder.layers):
        x = _norm(net, net.op("Add", x, _attention(net, x, mask, sequence)))
        inner = net.op("Gelu", net.linear(x, HIDDEN, FEED_FORWARD))
        x = _norm(net, net.op("Add", x, net.linear(inner, FEED_FORWARD, HIDDEN)))
    first = net.op("Gather", x, net.constant(np.asarray(0, np.int64)), axis=1)
    pooled = net.op(encoder.pooler, net.linear(first, HIDDEN, HIDDEN))
    return net.finish({"logits": net.linear(pooled, HIDDEN, LABELS)})


def _embed(net: NetworkBuilder, encoder: Encoder, batch: int, sequence: int, dtype: str) -> tuple[str, str]:
    """Return the embedded tokens, and the term added to the attention scores to mask tokens."""
    tokens = net.indices("input_ids", (batch, sequence))
    mask = net.indices("attention_mask", (batch, sequence))
    words = net.op("Gather", net.weight((encoder.vocabulary, HIDDEN), HIDDEN), tokens)
    rows = np.arange(encoder.first_position, encoder.first_position + sequence, dtype=np.int64)
    places = net.op("Gather", net.weight((encoder.positions, HIDDEN), HIDDEN), net.constant(rows))
    x = net.op("Add", words, places)
    if encoder.segments > 1:
        segments = net.indices("token_type_ids", (batch, sequence))
        x = net.op("Add", x, net.op("Gather", net.weight((encoder.segments, HIDDEN), HIDDEN), segments))
    elif encoder.segments:
        x = net.op("Add", x, net.vector(HIDDEN))
    wide = net.op("Unsqueeze", mask, net.whole_numbers(1, 2))
    kept = net.op("Cast", wide, to=10 if dtype == "float16" else 1)
    hidden = net.op("Mul", net.op("Sub", net.number(1.0), kept), net.number(_MASKED))
    return _norm(net, x), hidden


def _norm(net: NetworkBuilder, x: str) -> str:
    return net.op("LayerNormalization", x, net.vector(HIDDEN, 1.0), net.vector(HIDDEN), axis=-1, epsilon=1e-12)


def _attention(net: NetworkBuilder, x: str, mask: str, sequence: int) -> str:
    def heads(perm: list[int]) -> str:
        apart = net.reshape(net.linear(x, HIDDEN, HIDDEN), 0, sequence, HEADS, HIDDEN // HEADS)
        return net.op("Transpose", apart, perm=perm)

    query, key, value = heads([0, 2, 1, 3]), heads([0, 2, 3, 1]), heads([0, 2, 1, 3])
    scores = net.op("Div", net.op("MatMul", query, key), net.number(float(np.sqrt(HIDDEN // HEADS))))
    weights = net.op("Softmax", net.op("Add", scores, mask), axis=-1)
    mixed = net.op("Transpose", net.op("MatMul", weights, value), perm=[0, 2, 1, 3])
    return net.linear(net.reshape(mixed, 0, sequence, HIDDEN), HIDDEN, HIDDEN)
