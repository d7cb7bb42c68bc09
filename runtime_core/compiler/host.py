"""Models for the host's evaluator: CPU nodes, and constants that the compiler computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime_core.errors import ModelFileError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

_LOWEST_IR, _HIGHEST_IR = 4, 10
"""IR versions that every ONNX Runtime in use reads. Before version 4, constants must also be inputs."""


def host_model(graph: GraphProto, model: ModelProto) -> ModelProto:
    """Return a model of ``graph`` with the operator sets of ``model`` and its remaining functions."""
    import onnx

    version = min(max(model.ir_version, _LOWEST_IR), _HIGHEST_IR)
    made = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=version)
    made.functions.extend(model.functions)
    return made


def missing_evaluator(error: ImportError, where: str) -> ModelFileError:
    """Return the error for a model that needs an evaluator if none is installed."""
    return ModelFileError(
        f"the model has operators that no NeuronCore runs: they require the Python package {error.name!r}, "
        "which is not installed",
        where=where,
    )
