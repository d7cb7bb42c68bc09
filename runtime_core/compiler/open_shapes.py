"""Values whose shape is only known at run time: their element type and their largest possible shape."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from runtime_core.compiler.declared import DEFAULT_DOMAINS
from runtime_core.compiler.ir import Array, Module
from runtime_core.engine.numerics.evaluator import MissingEvaluatorError, RefusedError, make_evaluator, output_types
from runtime_core.engine.numerics.types import numpy_dtype
from runtime_core.neff.graph import DType, TensorSpec

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

_Dims: TypeAlias = tuple[int | None, ...]
_DEFAULT_EXTENT = 1024
"""Largest extent of an open dimension whose bound is unknown."""
_GROWING = frozenset({"Concat", "Expand", "Flatten", "Pad", "Reshape", "Resize", "Tile"})
"""Operators whose results may be longer than their inputs."""
_MOST_ELEMENTS = 1 << 28
_MOST_MEASURED_BYTES = 1 << 26
_LONGEST_S = 2.0
_FEWEST_RUNS = 2
"""Minimum number of runs on generated inputs with equal extents before an extent counts as fixed."""


def element_type(elem_type: int) -> DType | None:
    """Return the type with an ONNX number; ``None`` if a NEFF does not support it."""
    import onnx

    try:
        name = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(elem_type)).name
    except (KeyError, TypeError):
        return None
    return DType(name) if name in DType.__members__.values() else None


def evaluated_types(bare: ModelProto, unknown: Sequence[str]) -> dict[str, ValueInfoProto] | None:
    """Return types that ONNX Runtime infers where the onnx package cannot, e.g. for operators of com.microsoft.

    The result is ``None`` if ONNX Runtime refuses the model.
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
    """Measure types and shapes that no inference knows (e.g. for ai.onnx.ml), with runs on generated inputs.

    An extent is open if two runs differ in it, or if the value is the output of an ai.onnx operator: inference supports
    these operators, so an extent that it leaves open depends on values. Values whose number of dimensions differs are
    omitted.
    """
    import onnx

    model = _with_outputs(bare, unknown)
    specs = {name: module.specs[name] for name in module.inputs if name in module.specs}
    if sum(s.size_bytes for s in specs.values()) > _MOST_MEASURED_BYTES or not set(module.inputs) <= specs.keys():
        return {}
    constants = {i.name: module.constants[i.name] for i in bare.graph.input if i.name in module.constants}
    found: dict[str, list[Array]] = {}
    try:
        evaluator = make_evaluator(model)
    except (MissingEvaluatorError, RefusedError):
        return {}
    for feeds in _fillings(specs.values()):
        # Some operators reject generated values. An evaluator may raise any exception.
        with contextlib.suppress(Exception):
            values = evaluator.run(unknown, {**feeds, **constants}, _LONGEST_S)
            for name, value in zip(unknown, values, strict=True):
                if isinstance(value, np.ndarray) and value.dtype.kind != "O":
                    found.setdefault(name, []).append(value)
    inferable = {name for node in bare.graph.node if node.domain in DEFAULT_DOMAINS for name in node.output}
    measured = {}
    for name, made in found.items():
        if len({(v.dtype, v.ndim) for v in made}) == 1:
            is_open = name in inferable or len(made) < _FEWEST_RUNS
            extents = (set(e) for e in zip(*(v.shape for v in made), strict=True))
            shape = [None if is_open or len(e) > 1 else e.pop() for e in extents]
            elem_type = onnx.helper.np_dtype_to_tensor_dtype(made[0].dtype)
            measured[name] = onnx.helper.make_tensor_value_info(name, elem_type, shape)
    return measured


def _fillings(specs: Iterable[TensorSpec]) -> Iterator[dict[str, Array]]:
    """Generate inputs for a run. Integers are 0, 1 and 2, because they may be indices or extents."""
    specs = tuple(specs)
    for scale, integer in ((1, 0), (3, 1), (2, 2)):
        random = np.random.default_rng(scale)
        feeds = {}
        for spec in specs:
            dtype = numpy_dtype(spec.dtype)
            value = np.full(spec.shape, integer) if dtype.kind in "iub" else random.random(spec.shape) * scale
            feeds[spec.name] = value.astype(dtype)
        yield feeds


def _with_outputs(bare: ModelProto, names: Sequence[str]) -> ModelProto:
    import onnx

    model = type(bare)()
    model.CopyFrom(bare)
    listed = {o.name for o in model.graph.output}
    model.graph.output.extend(onnx.helper.make_value_info(n, onnx.TypeProto()) for n in names if n not in listed)
    return model


def enter_open(module: Module, nodes: Sequence[NodeProto], values: Iterable[ValueInfoProto]) -> None:
    """Add the known facts about outputs of nodes without a spec to ``module.open_specs``."""
    known: dict[str, tuple[DType, _Dims]] = {}
    for value in values:
        tensor = value.type.tensor_type
        dtype = element_type(tensor.elem_type) if value.type.HasField("tensor_type") else None
        if dtype is None or not tensor.HasField("shape") or value.name in module.specs:
            continue
        dims = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
        before = known.get(value.name)
        if before is None or len(before[1]) != len(dims):
            # Inference takes precedence, because the rank that a model declares for an output may be wrong.
            known[value.name] = dtype, dims
        else:
            known[value.name] = dtype, tuple(b if a is None else a for a, b in zip(before[1], dims, strict=True))
    for node in nodes:
        for index, name in enumerate(node.output):
            if name not in module.specs and name in known:
                dtype, dims = known[name]
                module.open_specs[name] = TensorSpec(name, dtype, _largest(module, node, index, dims), at_most=True)


def varies(node: NodeProto, index: int) -> bool:
    """Whether the extents of an output depend on values, so that a declared shape is only a guess."""
    if node.op_type == "Loop":
        return index >= len(node.input) - 2
    return node.op_type in ("Compress", "NonMaxSuppression", "NonZero", "Unique")


def _largest(module: Module, node: NodeProto, index: int, dims: _Dims) -> tuple[int, ...]:
    """Return the largest possible shape of an output, from the operator's bound if it has one."""
    if node.op_type == "NonZero" and len(dims) == 2 and dims[0] == 0:
        # Inference knows no dimension of a number; ONNX Runtime counts along one.
        return (1, 1)
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
    """Return the largest extent of an output's open dimensions; ``None`` if the operator has no bound."""

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
