"""Constant folding: what depends on constants and known shapes alone is computed once, by the onnx package."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from runtime_core.compiler.bodies import has_bodies
from runtime_core.compiler.ir import Array, Module
from runtime_core.compiler.messages import one_line
from runtime_core.errors import ModelFileError
from runtime_core.neff.graph import DType, TensorSpec

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

MAX_FOLDED_BYTES = 4 * 1024**3
"""A constant larger than half a device's memory is no weight: the file is malformed or hostile."""
_NEVER_FOLDED = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"}
# Their results grow with the values of their inputs, not with their sizes.
_GROWING = {"Expand", "Tile", "Range", "Pad", "Resize", "Upsample", "OneHot", "CenterCropPad", "Col2Im", "AffineGrid"}
_WIDEST_BYTES = 8


def fold_constants(module: Module, model: ModelProto, nodes: Iterable[NodeProto], where: str) -> list[NodeProto]:
    """Compute what depends on constants alone, into ``module.constants``.

    Returns:
        The other nodes, in their order.

    Raises:
        ModelFileError: a constant that can't be computed, or is too large.
    """
    rest = []
    for node in nodes:
        known = all(not name or name in module.constants for name in node.input)
        standard = node.domain in ("", "ai.onnx")
        foldable = known and standard and node.op_type not in _NEVER_FOLDED and not has_bodies(node)
        values = _evaluate(node, module, model, where) if foldable else None
        if values is None:
            rest.append(node)
            continue
        for name, value in zip(node.output, values, strict=False):
            if name:
                module.constants[name] = value
    return rest


def fold_shapes(module: Module, nodes: Iterable[NodeProto]) -> bool:
    """Turn Shape and Size of values whose shape is known into constants; tells whether there were any."""
    found = False
    for node in nodes:
        if node.op_type not in ("Shape", "Size") or node.domain not in ("", "ai.onnx"):
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
    """Give every constant of a type that a NEFF knows its spec."""
    for name, value in module.constants.items():
        if value.dtype.name in DType.__members__.values():
            module.specs[name] = TensorSpec(name, DType(value.dtype.name), tuple(value.shape))


def _evaluate(node: NodeProto, module: Module, model: ModelProto, where: str) -> list[Array] | None:
    """The node's outputs; ``None`` when it is better left to run time."""
    import onnx

    if node.op_type == "ConstantOfShape":
        return [_constant_of_shape(node, module, where)]
    feeds = {n: module.constants[n] for n in node.input if n}
    single = onnx.helper.make_model(
        onnx.helper.make_graph(
            [node],
            "constant",
            [onnx.helper.make_value_info(n, onnx.TypeProto()) for n in feeds],
            [onnx.helper.make_value_info(n, onnx.TypeProto()) for n in node.output if n],
        ),
        opset_imports=model.opset_import,
        ir_version=max(model.ir_version, 4),
    )
    may_grow = math.prod(max(1, v.size) for v in feeds.values()) * _WIDEST_BYTES > MAX_FOLDED_BYTES
    if node.op_type in _GROWING or may_grow:
        shapes = _output_shapes(single, feeds)
        for shape in shapes:
            _check_size(node, shape, _WIDEST_BYTES, where)
        if not shapes:
            return None
    from onnx.reference import ReferenceEvaluator

    try:
        return [np.asarray(v) for v in ReferenceEvaluator(single).run(None, feeds)]
    except Exception as error:
        # The evaluator raises whatever its NumPy code does.
        raise ModelFileError(
            f"{where}: operator {node.op_type} {node.name!r} can't be computed: {one_line(error)}"
        ) from None


def _constant_of_shape(node: NodeProto, module: Module, where: str) -> Array:
    import onnx

    value = onnx.numpy_helper.to_array(node.attribute[0].t) if node.attribute else np.zeros(1, np.float32)
    shape = tuple(int(s) for s in module.constants[node.input[0]].reshape(-1))
    _check_size(node, shape, value.dtype.itemsize, where)
    # The element type may be ml_dtypes', which np.full knows only by an explicit dtype.
    return np.full(shape, value.reshape(-1)[0], value.dtype)


def _check_size(node: NodeProto, shape: tuple[int, ...], item_bytes: int, where: str) -> None:
    if any(extent < 0 for extent in shape) or math.prod(shape) * item_bytes > MAX_FOLDED_BYTES:
        raise ModelFileError(
            f"{where}: constant {node.output[0]!r} of operator {node.op_type} with the shape {list(shape)} is too large"
        )


def _output_shapes(single: ModelProto, feeds: dict[str, Array]) -> list[tuple[int, ...]]:
    """Shapes that inference finds for a node's outputs; none when it can't tell them all."""
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
