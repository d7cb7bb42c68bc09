"""Infer type and shape of every value with the onnx package, and with ONNX Runtime what that leaves open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from runtime_core.compiler.bodies import reads
from runtime_core.compiler.fits import check_fit
from runtime_core.compiler.fold import enter_constants
from runtime_core.compiler.ir import Module
from runtime_core.compiler.messages import one_line
from runtime_core.compiler.open_shapes import element_type, enter_open, evaluated_types, measured_types, varies
from runtime_core.errors import ModelFileError
from runtime_core.instance import DEVICE_MEMORY_BYTES
from runtime_core.neff.graph import TensorSpec

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

_SMALL_BYTES = 4096


def skeleton(module: Module, model: ModelProto, nodes: list[NodeProto], inputs: list[ValueInfoProto]) -> ModelProto:
    """Return a model of ``nodes``. Large constants are represented by their shapes only, to avoid copies."""
    import onnx

    used = dict.fromkeys([*(name for node in nodes for name in reads(node)), *module.outputs])
    small, large = [], []
    for name in used:
        value = module.constant(name)
        if value is None:
            continue
        if value.nbytes <= _SMALL_BYTES:
            # Not ascontiguousarray, which converts a scalar to a vector.
            small.append(onnx.numpy_helper.from_array(np.asarray(value, order="C"), name))
        else:
            dtype = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
            large.append(onnx.helper.make_tensor_value_info(name, dtype, value.shape))
    produced = dict.fromkeys(o for node in nodes for o in node.output)
    outputs = [onnx.helper.make_value_info(n, onnx.TypeProto()) for n in module.outputs if n in produced]
    return onnx.helper.make_model(
        onnx.helper.make_graph(nodes, "shapes", [*inputs, *large], outputs, small),
        opset_imports=model.opset_import,
        ir_version=max(model.ir_version, 4),
    )


def infer_specs(
    module: Module,
    model: ModelProto,
    nodes: list[NodeProto],
    inputs: list[ValueInfoProto],
    declared: dict[str, ValueInfoProto],
    where: str,
) -> None:
    """Infer shapes and add them to ``module.specs``.

    Args:
        module: a module whose constants are known.
        model: the model, for its operator set versions.
        nodes: the remaining operators.
        inputs: the graph's inputs, with fixed sizes.
        declared: types that the model declares, for values that inference does not know.
        where: the model's file or name, for messages.

    Raises:
        ModelFileError: shapes contradict each other, or a tensor is too large for every device.
    """
    import onnx

    used = dict.fromkeys([*(name for node in nodes for name in reads(node)), *module.outputs])
    produced = dict.fromkeys(o for node in nodes for o in node.output)
    bare = skeleton(module, model, nodes, inputs)
    unfit = ""
    try:
        inferred = onnx.shape_inference.infer_shapes(bare, strict_mode=True, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, ValueError, TypeError) as error:
        unfit, inferred = one_line(error), bare.graph
    enter_constants(module)
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    _enter(module, values)
    unknown = [name for name in produced if name and name not in module.specs]
    evaluated = evaluated_types(bare, unknown) if unknown else {}
    if unfit and evaluated is None:
        raise ModelFileError(f"shapes do not fit together: {unfit}", where=where)
    evaluated = evaluated or {}
    _enter(module, evaluated.values())
    ranked = {v.name for v in values if v.type.tensor_type.HasField("shape")}
    unranked = [name for name in unknown if name not in evaluated and name not in ranked]
    measured = {}
    if unranked and (any(node.domain for node in nodes) or not set(module.outputs).isdisjoint(unranked)):
        measured = measured_types(module, bare, unranked)
        _enter(module, measured.values())
    varying = {name for node in nodes for index, name in enumerate(node.output) if varies(node, index)}
    stated = (v for n, v in declared.items() if n in produced and n not in module.specs and n not in varying)
    _enter(module, stated)
    enter_open(module, nodes, (*declared.values(), *measured.values(), *evaluated.values(), *values))
    for name in (*used, *produced):
        spec = module.specs.get(name)
        if spec is not None and min(spec.shape, default=0) < 0:
            raise ModelFileError(
                f"shapes do not fit together: {name!r} would have the shape {list(spec.shape)}", where=where
            )
        if spec is not None and spec.size_bytes > DEVICE_MEMORY_BYTES:
            raise ModelFileError(
                (
                    f"tensor {name!r} of the shape {list(spec.shape)} takes more than the "
                    f"{DEVICE_MEMORY_BYTES >> 30} GiB of a device"
                ),
                where=where,
                mend="make the model or its batch smaller",
            )
    check_fit(module, nodes, where)


def _enter(module: Module, values: Iterable[ValueInfoProto]) -> None:
    for value in values:
        tensor = value.type.tensor_type
        if not value.type.HasField("tensor_type") or not tensor.HasField("shape") or not tensor.elem_type:
            continue
        dtype = element_type(tensor.elem_type)
        if dtype is None or any(not d.HasField("dim_value") for d in tensor.shape.dim):
            continue
        module.specs[value.name] = TensorSpec(value.name, dtype, tuple(d.dim_value for d in tensor.shape.dim))
