"""Values whose shape is only known at run time: their element type, and the largest shape that they may have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from runtime_core.compiler.ir import Module
from runtime_core.engine.numerics.evaluator import make_evaluator, output_types
from runtime_core.engine.numerics.types import numpy_dtype
from runtime_core.neff.graph import DType, TensorSpec

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

_Dims: TypeAlias = tuple[int | None, ...]
_DEFAULT_EXTENT = 1024
"""What an open dimension may hold where nothing tells a bound."""
_GROWING = frozenset({"Concat", "Expand", "Flatten", "Pad", "Reshape", "Resize", "Tile"})
"""Operators whose results may be longer than what they read."""
_MOST_ELEMENTS = 1 << 28
_MOST_MEASURED_BYTES = 1 << 26
_LONGEST_S = 2.0


def element_type(elem_type: int) -> DType | None:
    """The type by its ONNX number; ``None`` for one that a NEFF does not have."""
    import onnx

    try:
        name = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(elem_type)).name
    except (KeyError, TypeError):
        return None
    return DType(name) if name in DType.__members__.values() else None


def evaluated_types(bare: ModelProto, unknown: Sequence[str]) -> dict[str, ValueInfoProto] | None:
    """What ONNX Runtime infers of values that the onnx package knows nothing of, such as those of com.microsoft.

    ``None`` where it refuses the model.
    """
    import onnx

    types = output_types(_with_outputs(bare, unknown))
    if types is None:
        return None
    return {
        name: onnx.helper.make_tensor_value_info(name, found.elem_type, found.shape)
        for name, found in types.items()
        if name in unknown
    }


def measured_types(module: Module, bare: ModelProto, unknown: Sequence[str]) -> dict[str, ValueInfoProto]:
    """Types and shapes of values that nobody infers, such as those of ai.onnx.ml, as runs on made-up inputs have them.

    A value whose shape differs between two runs is left out.
    """
    import onnx

    model = _with_outputs(bare, unknown)
    specs = {name: module.specs[name] for name in module.inputs if name in module.specs}
    if sum(s.size_bytes for s in specs.values()) > _MOST_MEASURED_BYTES or not set(module.inputs) <= specs.keys():
        return {}
    constants = {i.name: module.constants[i.name] for i in bare.graph.input if i.name in module.constants}
    found: list[dict[str, tuple[np.dtype[np.generic], tuple[int, ...]]]] = []
    try:
        evaluator = make_evaluator(model)
        for scale in (1, 3):
            random = np.random.default_rng(scale)
            feeds = {n: (random.random(s.shape) * scale).astype(numpy_dtype(s.dtype)) for n, s in specs.items()}
            values = evaluator.run(unknown, {**feeds, **constants}, _LONGEST_S)
            found.append(
                {n: (v.dtype, v.shape) for n, v in zip(unknown, values, strict=True) if isinstance(v, np.ndarray)}
            )
    except Exception:
        # No evaluator, or made-up values that some operator does not take: nothing is known then.
        return {}
    return {
        name: onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(made[0]), made[1])
        for name, made in found[0].items()
        if found[1].get(name) == made and made[0].kind != "O"
    }


def _with_outputs(bare: ModelProto, names: Sequence[str]) -> ModelProto:
    import onnx

    model = type(bare)()
    model.CopyFrom(bare)
    listed = {o.name for o in model.graph.output}
    model.graph.output.extend(onnx.helper.make_value_info(n, onnx.TypeProto()) for n in names if n not in listed)
    return model


def enter_open(module: Module, nodes: Sequence[NodeProto], values: Iterable[ValueInfoProto]) -> None:
    """Enter into ``module.open_specs`` what is known of the values without a spec that the nodes make."""
    known: dict[str, tuple[DType, _Dims]] = {}
    for value in values:
        tensor = value.type.tensor_type
        dtype = element_type(tensor.elem_type) if value.type.HasField("tensor_type") else None
        if dtype is None or not tensor.HasField("shape") or value.name in module.specs:
            continue
        dims = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
        before = known.get(value.name)
        if before is None or len(before[1]) != len(dims):
            # The later source is the inference, and what a model declares of an output's rank may be made up.
            known[value.name] = dtype, dims
        else:
            known[value.name] = dtype, tuple(b if a is None else a for a, b in zip(before[1], dims, strict=True))
    for node in nodes:
        for index, name in enumerate(node.output):
            if name not in module.specs and name in known:
                dtype, dims = known[name]
                module.open_specs[name] = TensorSpec(name, dtype, _largest(module, node, index, dims), at_most=True)


def varies(node: NodeProto, index: int) -> bool:
    """Whether the extents of an output change with the values: what a model declares of it is a guess."""
    if node.op_type == "Loop":
        return index >= len(node.input) - 2
    return node.op_type in ("Compress", "NonMaxSuppression", "NonZero", "Unique")


def _largest(module: Module, node: NodeProto, index: int, dims: _Dims) -> tuple[int, ...]:
    """The largest shape that an output may have, by the operator where its text gives a bound."""
    extent = _bound(module, node, index)
    if extent is None:
        read = [s for n in node.input if (s := module.specs.get(n) or module.open_specs.get(n)) is not None]
        if node.op_type in _GROWING or not any(s.at_most for s in read):
            extent = max(_DEFAULT_EXTENT, *(s.element_count for s in read), 0)
        else:
            extent = max(e for s in read for e in (*s.shape, 1))
    shape = tuple(extent if d is None else d for d in dims)
    while math.prod(shape) > _MOST_ELEMENTS and extent > 1:
        extent //= 2
        shape = tuple(extent if d is None else d for d in dims)
    return shape


def _bound(module: Module, node: NodeProto, index: int) -> int | None:
    """The largest extent of an output's open dimensions; ``None`` where the operator tells none."""

    def elements(position: int) -> int | None:
        spec = module.specs.get(node.input[position]) or module.open_specs.get(node.input[position])
        return None if spec is None else spec.element_count

    def constant(position: int) -> int | None:
        value = module.constant(node.input[position]) if len(node.input) > position else None
        return None if value is None or value.size != 1 else int(value.reshape(-1)[0])

    match node.op_type:
        case "NonZero" | "Unique" | "Compress":
            return elements(0)
        case "Loop":
            carried = len(node.input) - 2
            return constant(0) if index >= carried else None
        case "NonMaxSuppression":
            scores = module.specs.get(node.input[1])
            if scores is None or len(scores.shape) != 3:
                return None
            count = constant(2)
            each = scores.shape[2] if count is None else max(0, min(count, scores.shape[2]))
            return scores.shape[0] * scores.shape[1] * each
    return None
