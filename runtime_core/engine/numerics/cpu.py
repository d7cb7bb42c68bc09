"""CPU nodes: ONNX operators that no NeuronCore runs, on the host's evaluator."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from runtime_core.engine.numerics.evaluator import (
    Evaluator,
    MissingEvaluatorError,
    RefusedError,
    TimedOutError,
    make_evaluator,
    plain_message,
)
from runtime_core.engine.numerics.types import Array, numpy_dtype
from runtime_core.neff.graph import Node
from runtime_core.status import NeffError, NrtStatus


class CpuProgram:
    """A CPU node, made ready by :func:`load_cpu_node`."""

    def __init__(self, node: Node, evaluator: Evaluator) -> None:
        """Bind the node's names and types to its evaluator."""
        self._evaluator = evaluator
        self._name = node.name
        self._inputs = tuple((t.name, numpy_dtype(t.dtype)) for t in node.inputs)
        self._outputs = tuple(t.name for t in node.outputs)

    def run(self, values: Mapping[str, Array], timeout_s: float | None = None) -> dict[str, Array]:
        """Evaluate the operators.

        Raises:
            RuntimeError: an operator cannot be evaluated on these values.
            TimedOutError: it takes longer than ``timeout_s``, or the process stops.
        """
        feeds = {name: np.asarray(values[name]).astype(dtype, copy=False) for name, dtype in self._inputs}
        try:
            found = self._evaluator.run(self._outputs, feeds, timeout_s)
        except (MemoryError, TimedOutError):
            raise
        except Exception as error:
            # The evaluators raise whatever their code, or a package they lack, does.
            raise RuntimeError(f"CPU node {self._name!r}: {plain_message(error)}") from error
        return {name: np.asarray(value) for name, value in zip(self._outputs, found, strict=True)}


def load_cpu_node(node: Node, model: bytes) -> CpuProgram:
    """Parse the node's ONNX model and prepare its evaluator.

    Raises:
        NeffError: INVALID, when no evaluator takes the model; FAILURE, when a package is not installed.
    """
    try:
        from onnx import load_from_string
    except ImportError as error:
        raise _missing(node, "onnx") from error
    try:
        evaluator = make_evaluator(load_from_string(model))
    except MissingEvaluatorError as error:
        raise _missing(node, error.name) from error
    except Exception as error:
        # Protobuf and the checker each raise their own kinds.
        why = str(error) if isinstance(error, RefusedError) else plain_message(error)
        raise NeffError(NrtStatus.INVALID, f"CPU node {node.name!r} holds a malformed model: {why}") from None
    return CpuProgram(node, evaluator)


def _missing(node: Node, package: str | None) -> NeffError:
    return NeffError(
        NrtStatus.FAILURE, f"CPU node {node.name!r} requires the Python package {package!r}, which is not installed"
    )
