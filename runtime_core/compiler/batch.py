"""Set the batch: the size of open batch dimensions, or another size for fixed ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from runtime_core.compiler.ir import Module
from runtime_core.errors import ModelFileError

if TYPE_CHECKING:
    from onnx import NodeProto, ValueInfoProto

_LARGEST_EXTENT = 1 << 31


def fix_batch(inputs: list[ValueInfoProto], where: str, batch: int | None) -> int:
    """Set the size of the inputs' batch dimension, in place.

    The batch is the open first dimension, and every dimension with the same name. If no first dimension is open,
    ``batch`` replaces the first dimension of the first input, and of every input with the same first dimension.

    Returns:
        The fixed batch that was replaced, or 0.

    Raises:
        ModelFileError: another dimension is open, or has an impossible size.
    """
    for value in inputs:
        if not value.type.HasField("tensor_type"):
            raise ModelFileError(f"input {value.name!r} is not a tensor", where=where)
    firsts = [v.type.tensor_type.shape.dim[0] for v in inputs if v.type.tensor_type.shape.dim]
    open_firsts = [d for d in firsts if not d.HasField("dim_value")]
    replaced = 0
    if open_firsts:
        symbol = next((d.dim_param for d in open_firsts if d.dim_param), "")
        for value in inputs:
            for axis, dim in enumerate(value.type.tensor_type.shape.dim):
                named = bool(dim.dim_param) and dim.dim_param == symbol
                if not dim.HasField("dim_value") and (named or (axis == 0 and not dim.dim_param)):
                    dim.dim_value = batch or 1
    elif batch is not None and firsts and firsts[0].dim_value != batch:
        replaced = firsts[0].dim_value
        for dim in firsts:
            if dim.dim_value == replaced:
                dim.dim_value = batch
    for value in inputs:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value"):
                raise ModelFileError(
                    f"dimension {axis} of input {value.name!r} is open ({dim.dim_param or '?'})",
                    where=where,
                    mend="export the model with fixed shapes",
                )
            if not 0 <= dim.dim_value <= _LARGEST_EXTENT:
                raise ModelFileError(f"input {value.name!r} has a dimension of {dim.dim_value}", where=where)
    return replaced


def free_reshapes(module: Module, nodes: Iterable[NodeProto], replaced: int) -> list[NodeProto]:
    """Adapt reshapes to the replaced batch: their first extent becomes 0, which copies it from the input."""
    adapted = []
    for node in nodes:
        target = module.constant(node.input[1]) if node.op_type == "Reshape" and len(node.input) > 1 else None
        zeros = any(a.name == "allowzero" and a.i for a in node.attribute)
        if target is None or zeros or target.size < 2 or int(target[0]) != replaced:
            adapted.append(node)
            continue
        own = type(node)()
        own.CopyFrom(node)
        own.input[1] = f"{node.output[0]}.shape"
        module.constants[own.input[1]] = np.array(target)
        module.constants[own.input[1]][0] = 0
        adapted.append(own)
    return adapted
