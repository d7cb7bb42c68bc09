"""Constant folding: the compiler computes values that depend only on constants and known shapes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from runtime_core.compiler.bodies import has_bodies
from runtime_core.compiler.fits import aborts
from runtime_core.compiler.host import host_model, missing_evaluator
from runtime_core.compiler.ir import Array, Module
from runtime_core.compiler.reading import MAX_CONSTANT_BYTES, dense_array, to_array
from runtime_core.engine.numerics.evaluator import (
    Evaluator,
    MissingEvaluatorError,
    RefusedError,
    TimedOutError,
    arrays,
    make_evaluator,
)
from runtime_core.errors import ModelFileError
from runtime_core.neff.graph import DType, TensorSpec

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_NEVER_FOLDED = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"}
# The sizes of their results depend on the values of their inputs.
_GROWING = {"Expand", "Tile", "Range", "Pad", "Resize", "Upsample", "OneHot", "CenterCropPad", "Col2Im", "AffineGrid"}
_WIDEST_BYTES = 8
_LONGEST_S = 30.0
"""An operator that takes longer is not folded."""
_NOTHING = np.empty(0, np.bool_)
"""The value of an omitted output."""


def fold_constants(module: Module, model: ModelProto, nodes: Iterable[NodeProto], where: str) -> list[NodeProto]:
    """Compute values that depend only on constants, into ``module.constants``.

    Returns:
        The other nodes, in their order.

    Raises:
        ModelFileError: a constant is too large or malformed, or no evaluator is installed.
    """
    rest = []
    evaluators: dict[bytes, Evaluator] = {}
    for node in nodes:
        known = all(not name or name in module.constants for name in node.input)
        foldable = known and not node.domain and node.op_type not in _NEVER_FOLDED and not has_bodies(node)
        values = _evaluate(node, module, model, where, evaluators) if foldable else None
        if values is None:
            rest.append(node)
            continue
        for name, value in zip(node.output, values, strict=False):
            if name:
                module.constants[name] = value
    return rest


def fold_shapes(module: Module, nodes: Iterable[NodeProto]) -> bool:
    """Replace Shape and Size of values with a known shape by constants; return whether there were any."""
    found = False
    for node in nodes:
        if node.op_type not in ("Shape", "Size") or node.domain:
            continue
        spec = module.specs.get(node.input[0])
        if spec is None or node.output[0] in module.constants:
            continue
        if node.op_type == "Size":
            value = np.asarray(spec.element_count, np.int64)
        else:
            bounds = {a.name: a.i for a in node.attribute}
            value = np.asarray(spec.shape[bounds.get("start", 0) : bounds.get("end", len(spec.shape))], np.int64)
        module.constants[node.output[0]] = value
        found = True
    return found


def enter_constants(module: Module) -> None:
    """Set the spec of every constant whose type a NEFF supports."""
    for name, value in module.constants.items():
        dtype = _known_type(value.dtype)
        if dtype is not None:
            module.specs[name] = TensorSpec(name, dtype, tuple(value.shape))


@cache
def _known_type(dtype: np.dtype[np.generic]) -> DType | None:
    """Return the type in a NEFF. It is cached, because NumPy builds a type's name at every call."""
    return DType(dtype.name) if dtype.name in DType.__members__.values() else None


def _evaluate(
    node: NodeProto, module: Module, model: ModelProto, where: str, evaluators: dict[bytes, Evaluator]
) -> list[Array] | None:
    """Return the node's outputs; ``None`` if the node is not folded.

    Args:
        node: a node that reads only constants.
        module: the module with these constants.
        model: the model, for its operator sets.
        where: the model's file or name, for messages.
        evaluators: evaluators of earlier nodes; operators that differ only in names and extents share one.
    """
    if node.op_type == "Constant":
        return _constant(node, where)
    if node.op_type == "ConstantOfShape":
        return [_constant_of_shape(node, module, where)]
    if aborts(module, node):
        return None
    single = _single(node, module, model)
    may_grow = math.prod(max(1, module.constants[n].size) for n in node.input if n) * _WIDEST_BYTES > MAX_CONSTANT_BYTES
    if node.op_type in _GROWING or may_grow:
        shapes = _output_shapes(single.model, single.feeds)
        for shape in shapes:
            _check_size(node, shape, _WIDEST_BYTES, where)
        if not shapes:
            return None
    key = single.model.SerializeToString(deterministic=True)
    try:
        evaluator = evaluators.get(key)
        if evaluator is None:
            evaluator = evaluators[key] = make_evaluator(single.model)
        found = arrays(evaluator.run([o.name for o in single.model.graph.output], single.feeds, _LONGEST_S))
    except MissingEvaluatorError as error:
        raise missing_evaluator(error, where) from error
    except (MemoryError, TimedOutError, RefusedError):
        return None
    except Exception:
        # An evaluator may raise any exception. The operator is not folded, and is tried again as an operator.
        return None
    if found is None:
        return None
    values = dict(zip((n for n in node.output if n), found, strict=True))
    return [values.get(name, _NOTHING) for name in node.output]


class _Single(NamedTuple):
    """Return a model of one operator, and its inputs."""

    model: ModelProto
    feeds: dict[str, Array]


def _single(node: NodeProto, module: Module, model: ModelProto) -> _Single:
    """Separate the constants: NumPy types become inputs, others (4 and 8-bit floats, text) constants of the model.

    The model does not contain names and extents, so that equal operators have equal models.
    """
    import onnx

    names = {name: f"i{index}" for index, name in enumerate(dict.fromkeys(n for n in node.input if n))}
    inputs, constants, feeds = [], [], {}
    for name, plain in names.items():
        value = module.constants[name]
        if value.dtype.kind in "biuf":
            feeds[plain] = value
            elem_type = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
            inputs.append(onnx.helper.make_tensor_value_info(plain, elem_type, [None] * value.ndim))
        else:
            constants.append(onnx.numpy_helper.from_array(np.asarray(value, order="C"), plain))
    own = type(node)()
    own.CopyFrom(node)
    own.ClearField("name")
    own.ClearField("doc_string")
    own.input[:] = [names.get(n, "") for n in node.input]
    own.output[:] = [f"o{index}" if n else "" for index, n in enumerate(node.output)]
    outputs = [onnx.helper.make_value_info(n, onnx.TypeProto()) for n in own.output if n]
    graph = onnx.helper.make_graph([own], "constant", inputs, outputs, constants)
    return _Single(host_model(graph, model), feeds)


def _constant(node: NodeProto, where: str) -> list[Array] | None:
    """Return the value of a Constant operator; ``None`` for text."""
    import onnx

    if not node.attribute:
        return None
    attribute = node.attribute[0]
    match attribute.name:
        case "value":
            return [to_array(attribute.t, where)]
        case "sparse_value":
            return [dense_array(attribute.sparse_tensor, where)]
        case "value_float" | "value_floats":
            return [np.asarray(onnx.helper.get_attribute_value(attribute), np.float32)]
        case "value_int" | "value_ints":
            return [np.asarray(onnx.helper.get_attribute_value(attribute), np.int64)]
    return None


def _constant_of_shape(node: NodeProto, module: Module, where: str) -> Array:
    import onnx

    value = onnx.numpy_helper.to_array(node.attribute[0].t) if node.attribute else np.zeros(1, np.float32)
    shape = tuple(int(s) for s in module.constants[node.input[0]].reshape(-1))
    _check_size(node, shape, value.dtype.itemsize, where)
    # The element type may be from ml_dtypes, for which np.full requires an explicit dtype.
    return np.full(shape, value.reshape(-1)[0], value.dtype)


def _check_size(node: NodeProto, shape: tuple[int, ...], item_bytes: int, where: str) -> None:
    if any(extent < 0 for extent in shape) or math.prod(shape) * item_bytes > MAX_CONSTANT_BYTES:
        raise ModelFileError(
            (f"constant {node.output[0]!r} of operator {node.op_type} with the shape {list(shape)} is too large"),
            where=where,
        )


def _output_shapes(single: ModelProto, feeds: dict[str, Array]) -> list[tuple[int, ...]]:
    """Return the inferred shapes of a node's outputs; empty if any of them is unknown."""
    import onnx

    probe = onnx.ModelProto()
    probe.CopyFrom(single)
    del probe.graph.input[:]
    for name, value in feeds.items():
        if value.nbytes <= 1 << 16:
            probe.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
        else:
            dtype = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
            probe.graph.input.append(onnx.helper.make_tensor_value_info(name, dtype, value.shape))
    try:
        outputs = onnx.shape_inference.infer_shapes(probe, data_prop=True).graph.output
    except (onnx.shape_inference.InferenceError, ValueError, TypeError):
        return []
    shapes = []
    for output in outputs:
        tensor = output.type.tensor_type
        if not tensor.HasField("shape") or any(not d.HasField("dim_value") for d in tensor.shape.dim):
            return []
        shapes.append(tuple(d.dim_value for d in tensor.shape.dim))
    return shapes
