"""The reference networks by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

from onnx import ModelProto

from neuron_tools.models.encoders import (
    BERT_BASE_CASED,
    BERT_BASE_UNCASED,
    DISTILBERT,
    DISTILROBERTA,
    Encoder,
    build_encoder,
)
from neuron_tools.models.openpose import build_openpose
from neuron_tools.models.resnet import build_resnet50
from neuron_tools.models.yolov4 import build_yolov4
from runtime_core.errors import UsageError


class ModelOptions(NamedTuple):
    """Options of a network.

    Attributes:
        batch: samples per execution.
        sequence: tokens per sample; ignored by image networks.
        seed: seed of the weights.
        dtype: element type of weights and activations, ``float32`` or ``float16``.
    """

    batch: int = 1
    sequence: int = 128
    seed: int = 0
    dtype: str = "float32"


Network: TypeAlias = Callable[[ModelOptions], ModelProto]


def _encoder(name: str, encoder: Encoder, options: ModelOptions) -> ModelProto:
    longest = encoder.positions - encoder.first_position
    if not 1 <= options.sequence <= longest:
        raise UsageError(f"{name} accepts 1 to {longest} tokens, not {options.sequence}", where="--seq")
    return build_encoder(name, encoder, options.batch, options.sequence, options.seed, options.dtype)


def _image(build: Callable[[int, int, str], ModelProto], options: ModelOptions) -> ModelProto:
    return build(options.batch, options.seed, options.dtype)


NETWORKS: dict[str, Network] = {
    "bert-base": partial(_encoder, "bert-base", BERT_BASE_UNCASED),
    "bert-base-cased": partial(_encoder, "bert-base-cased", BERT_BASE_CASED),
    "distilbert": partial(_encoder, "distilbert", DISTILBERT),
    "distilroberta": partial(_encoder, "distilroberta", DISTILROBERTA),
    "resnet50": partial(_image, build_resnet50),
    "yolov4": partial(_image, build_yolov4),
    "openpose": partial(_image, build_openpose),
}
"""Name -> function that builds the network."""


def build(name: str, options: ModelOptions | None = None) -> ModelProto:
    """Build a network.

    Raises:
        UsageError: the name is unknown, or an option is out of range.
    """
    options = options or ModelOptions()
    if name not in NETWORKS:
        raise UsageError(f"unknown network {name!r}", mend=f"choose one of {', '.join(NETWORKS)}")
    if options.batch < 1:
        raise UsageError(f"expected 1 or more, not {options.batch}", where="--batch")
    if options.seed < 0:
        raise UsageError(f"expected 0 or more, not {options.seed}", where="--seed")
    return NETWORKS[name](options)
