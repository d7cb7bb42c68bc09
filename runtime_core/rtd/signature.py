"""The tensors of a network, computed once for all its requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from runtime_core.engine.numerics import numpy_dtype
from runtime_core.neff.graph import Graph, TensorSpec

if TYPE_CHECKING:
    import numpy as np


class TensorType(NamedTuple):
    """A tensor in NumPy's terms. ``size_bytes``: of the declared shape, densely packed."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    size_bytes: int


class Signature(NamedTuple):
    """Inputs and outputs of a network.

    Attributes:
        name: of the network, for messages.
        inputs, outputs: by name, in their order.
        dynamic_batch: inputs may hold any number of samples.
    """

    name: str
    inputs: Mapping[str, TensorType]
    outputs: Mapping[str, TensorType]
    dynamic_batch: bool


def _types(specs: Iterable[TensorSpec]) -> dict[str, TensorType]:
    return {t.name: TensorType(t.name, numpy_dtype(t.dtype), t.shape, t.size_bytes) for t in specs}


def signature_of(graph: Graph) -> Signature:
    """The signature of a graph."""
    return Signature(graph.name, _types(graph.inputs), _types(graph.outputs), graph.dynamic_batch)
