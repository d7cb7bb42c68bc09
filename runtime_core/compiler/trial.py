"""Run each CPU node once when compiling, to find nodes that would fail at every execution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from runtime_core.compiler.host import host_model, missing_evaluator
from runtime_core.compiler.ir import Array, Op
from runtime_core.engine.numerics.evaluator import (
    Evaluator,
    MissingEvaluatorError,
    RefusedError,
    TimedOutError,
    make_evaluator,
    plain_message,
)
from runtime_core.engine.numerics.types import numpy_dtype
from runtime_core.errors import ModelFileError
from runtime_core.neff.graph import Node, TensorSpec

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_LONGEST_S = 2.0
_MOST_BYTES = 1 << 28
_FLOATS = frozenset("fV")


def check_runs(node: Node, group: Sequence[Op], model: ModelProto, where: str) -> None:
    """Prepare the evaluator of a CPU node, and run it once on inputs of its shapes.

    A failure counts only if all inputs are floats: integers may be shapes, indices or counts, and generated ones may
    fail where real ones do not. The run stops after 2 seconds, which counts as a success.

    Raises:
        ModelFileError: nothing can run the node; names the operator.
    """
    try:
        evaluator = make_evaluator(model)
    except MissingEvaluatorError as error:
        raise missing_evaluator(error, where) from error
    except RefusedError as error:
        raise _refusal(group, model, where, str(error)) from None
    if sum(t.size_bytes for t in (*node.inputs, *node.outputs)) > _MOST_BYTES:
        return
    problem = _problem(evaluator, node)
    if problem and all(numpy_dtype(t.dtype).kind in _FLOATS for t in node.inputs):
        raise _refusal(group, model, where, problem)


def _problem(evaluator: Evaluator, node: Node) -> str:
    """Return why no run succeeded, or how the shapes of all runs are wrong; "" if one run has the inferred shapes."""
    problem = ""
    misfits = []
    for feeds in _fillings(node.inputs):
        try:
            with np.errstate(all="ignore"):
                found = evaluator.run([t.name for t in node.outputs], feeds, _LONGEST_S)
        except (TimedOutError, MemoryError):
            return ""
        except Exception as error:
            # An evaluator may raise any exception.
            problem = problem or plain_message(error)
        else:
            misfit = _misfit(node, found)
            if not misfit:
                return ""
            misfits.append(misfit)
    if not misfits:
        return problem
    # If the shape depends on the values, generated values do not show it.
    return misfits[0] if len(misfits) > 1 and len(set(misfits)) == 1 else ""


def _misfit(node: Node, found: Sequence[object]) -> str:
    """Return how the shapes of a run differ from the inferred ones; "" if they do not.

    An empty result is ignored: generated counts may be 0.
    """
    for spec, value in zip(node.outputs, found, strict=True):
        shape = np.shape(value) if isinstance(value, np.ndarray | np.generic) else None
        if spec.at_most:
            if shape is None or len(shape) != len(spec.shape):
                return f"output {spec.name!r} has {len(shape or ())} dimensions, and {len(spec.shape)} were inferred"
        elif shape != spec.shape and (shape is None or 0 not in shape):
            return f"output {spec.name!r} has the shape {list(shape or ())}, and {list(spec.shape)} was inferred"
    return ""


def _fillings(specs: Sequence[TensorSpec]) -> Iterator[dict[str, Array]]:
    """Yield inputs to try, the most likely to work first."""
    random = np.random.default_rng(0)
    yield {t.name: random.random(t.shape, np.float32).astype(numpy_dtype(t.dtype)) for t in specs}
    for value in (1, 0):
        yield {t.name: np.full(t.shape, value, numpy_dtype(t.dtype)) for t in specs}


def _refusal(group: Sequence[Op], model: ModelProto, where: str, why: str) -> ModelFileError:
    op = _culprit(group, model)
    node = op.node
    if node is None:
        raise AssertionError("an operation of a CPU node has its operator")
    return ModelFileError(
        f"nothing can run operator {described(node, model)} of node {op.source!r} ({why})",
        where=where,
        mend="replace it in the model",
    )


def described(node: NodeProto, model: ModelProto) -> str:
    """Return the name of an operator, its domain, and the version that the model imports."""
    version = next((o.version for o in model.opset_import if o.domain == node.domain), None)
    domain = node.domain or "ai.onnx"
    return f"{node.op_type} (domain {domain!r}, operator set {'not imported' if version is None else version})"


def _culprit(group: Sequence[Op], model: ModelProto) -> Op:
    """Return the first operator that no evaluator can run alone; if all run, the first one."""
    from onnx import TypeProto, helper, shape_inference

    try:
        typed = shape_inference.infer_shapes(model).graph
    except (shape_inference.InferenceError, ValueError, TypeError):
        typed = model.graph
    known = {v.name: v for v in (*typed.input, *typed.value_info, *typed.output)}
    for tensor in model.graph.initializer:
        known[tensor.name] = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
    for op in group:
        if op.node is None or any(name not in known for name in op.inputs):
            continue
        outputs = [helper.make_value_info(n, TypeProto()) for n in op.outputs]
        alone = helper.make_graph([op.node], "alone", [known[n] for n in op.inputs], outputs)
        try:
            make_evaluator(host_model(alone, model))
        except RefusedError:
            return op
        except MissingEvaluatorError:
            break
    return group[0]
