"""CPU nodes: ONNX operators that no NeuronCore runs, by packages that know them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from runtime_core.engine.numerics.types import Array, numpy_dtype
from runtime_core.neff.graph import DType, Node
from runtime_core.status import NeffError, NrtStatus

if TYPE_CHECKING:
    from onnx import ModelProto

_FASTER = frozenset(
    {
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "GRU",
        "GridSample",
        "LSTM",
        "MatMulInteger",
        "NonMaxSuppression",
        "QLinearConv",
        "QLinearMatMul",
        "QuantizeLinear",
        "RNN",
        "RoiAlign",
    }
)
"""Operators that the reference evaluator computes in Python loops, and onnxruntime computes to the same results.

In others (DFT, Resize, Dropout and more) the two differ, and a result must not hang on which package is installed.
"""

_Evaluate: TypeAlias = Callable[[list[str], dict[str, Array]], list[object]]


class CpuProgram:
    """A CPU node, made ready by :func:`load_cpu_node`."""

    def __init__(self, node: Node, evaluate: _Evaluate) -> None:
        """Bind the node's names and types to ``evaluate``, which takes output names and inputs by name."""
        self._evaluate = evaluate
        self._name = node.name
        self._inputs = tuple((t.name, numpy_dtype(t.dtype)) for t in node.inputs)
        self._outputs = tuple(t.name for t in node.outputs)

    def run(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Evaluate the operators.

        Raises:
            RuntimeError: an operator can't be evaluated on these values.
        """
        feeds = {name: np.asarray(values[name]).astype(dtype, copy=False) for name, dtype in self._inputs}
        try:
            found = self._evaluate(list(self._outputs), feeds)
        except MemoryError:
            raise
        except Exception as error:
            # The evaluators raise whatever their code, or a package they lack, does.
            raise RuntimeError(f"CPU node {self._name!r}: {_first_line(error)}") from error
        return {name: np.asarray(value) for name, value in zip(self._outputs, found, strict=True)}


def load_cpu_node(node: Node, model: bytes) -> CpuProgram:
    """Parse the node's ONNX model for onnx's evaluator, or for onnxruntime where that is installed and much faster.

    Raises:
        NeffError: INVALID, when it is malformed; FAILURE, when the ``onnx`` package is not installed.
    """
    try:
        from onnx import load_from_string
    except ImportError as error:
        raise NeffError(
            NrtStatus.FAILURE, f"CPU node {node.name!r} requires the Python package 'onnx', which is not installed"
        ) from error
    try:
        parsed = load_from_string(model)
        evaluate = _onnxruntime(node, parsed) or _reference(parsed)
    except Exception as error:
        # Protobuf, the checker and the evaluator each raise their own kinds.
        reason = _first_line(error)
        raise NeffError(NrtStatus.INVALID, f"CPU node {node.name!r} holds a malformed model: {reason}") from None
    return CpuProgram(node, evaluate)


def _reference(model: ModelProto) -> _Evaluate:
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)
    return lambda names, feeds: list(evaluator.run(names, feeds))


def _onnxruntime(node: Node, model: ModelProto) -> _Evaluate | None:
    """``None``: not installed, or no better, or it does not take the types."""
    if not _FASTER.issuperset(n.op_type for n in model.graph.node):
        return None
    if any(t.dtype is DType.BFLOAT16 for t in (*node.inputs, *node.outputs)):
        return None
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception:
        # Its kinds of refusal share no class; the evaluator then says what is wrong, if anything is.
        return None
    run: _Evaluate = session.run
    return run


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
