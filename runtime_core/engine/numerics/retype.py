"""ONNX models with other element types that mean the same, for evaluators that lack kernels for some types."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

import ml_dtypes
import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_FLOAT, _UINT8, _INT8, _UINT16, _INT16, _INT32, _INT64, _FLOAT16, _UINT32, _BFLOAT16 = (
    1, 2, 3, 4, 5, 6, 7, 10, 12, 16,
)  # fmt: skip
_WIDER_INTEGER = {_UINT8: _INT32, _INT8: _INT32, _UINT16: _INT32, _INT16: _INT32, _UINT32: _INT64}
_WIDER_FLOAT = {_BFLOAT16: _FLOAT, _FLOAT16: _FLOAT}
_KEPT = frozenset(
    {
        *("BitCast", "BitShift", "BitwiseNot", "Cast", "CastLike", "DequantizeLinear", "If", "Loop"),
        *("QuantizeLinear", "Scan", "SequenceMap"),
    }
)
"""Operators whose result depends on the width of their types, or that have bodies: these keep their types."""


class Outside(NamedTuple):
    """What stands for an output of the original model: its name, and the type to convert its value to."""

    name: str
    dtype: np.dtype[np.generic]


class Edges(NamedTuple):
    """A model whose inputs and outputs NumPy can hold, and what stands for those that changed."""

    model: ModelProto
    inputs: Mapping[str, str]
    outputs: Mapping[str, Outside]


def at_edges(model: ModelProto, inputs: Collection[str], outputs: Collection[str]) -> Edges:
    """Pass these bfloat16 inputs and outputs as FP32, which holds them exactly; the values inside stay bfloat16."""
    from onnx import helper

    copy = type(model)()
    copy.CopyFrom(model)
    graph = copy.graph
    new_inputs = {name: f"{name}.outside" for name in inputs}
    new_outputs = {name: Outside(f"{name}.result", np.dtype(ml_dtypes.bfloat16)) for name in outputs}
    first = [helper.make_node("Cast", [new], [name], to=_BFLOAT16) for name, new in new_inputs.items()]
    last = [helper.make_node("Cast", [name], [new.name], to=_FLOAT) for name, new in new_outputs.items()]
    for value in graph.input:
        if value.name in new_inputs:
            value.name = new_inputs[value.name]
            value.type.tensor_type.elem_type = _FLOAT
    for value in graph.output:
        if value.name in new_outputs:
            value.name = new_outputs[value.name].name
            value.type.tensor_type.elem_type = _FLOAT
    nodes = [*first, *graph.node, *last]
    del graph.node[:]
    graph.node.extend(nodes)
    return Edges(copy, new_inputs, new_outputs)


def widened_floats(model: ModelProto) -> ModelProto | None:
    """Compute operators on 16-bit floats in FP32 and round their results; ``None`` where there are none."""
    return _widened(model, _WIDER_FLOAT)


def widened_integers(model: ModelProto) -> ModelProto | None:
    """Compute small integers in wider ones and cut the results off, as the small type does; 16-bit floats in FP32."""
    return _widened(model, _WIDER_INTEGER | _WIDER_FLOAT)


def _widened(model: ModelProto, wider: Mapping[int, int]) -> ModelProto | None:
    """Casts around every operator that reads or makes one of the types."""
    import onnx

    try:
        typed = onnx.shape_inference.infer_shapes(model).graph
    except (onnx.shape_inference.InferenceError, ValueError, TypeError):
        return None
    values = (*typed.input, *typed.value_info, *typed.output)
    types = {v.name: v.type.tensor_type.elem_type for v in values if v.type.HasField("tensor_type")}
    types.update((t.name, t.data_type) for t in typed.initializer)
    if not any(t in wider for t in types.values()):
        return None
    copy = type(model)()
    copy.CopyFrom(model)
    nodes: list[NodeProto] = []
    for index, node in enumerate(model.graph.node):
        nodes += _surrounded(node, str(index), types, wider) if node.op_type not in _KEPT else [node]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    del copy.graph.value_info[:]
    return copy


def _surrounded(node: NodeProto, tag: str, types: Mapping[str, int], wider: Mapping[int, int]) -> list[NodeProto]:
    from onnx import helper

    def cast(make: Callable[[str], tuple[str, str]], name: str, to: int) -> NodeProto:
        source, target = make(name)
        return helper.make_node("Cast", [source], [target], to=to)

    inner = type(node)()
    inner.CopyFrom(node)
    before: dict[str, NodeProto] = {}
    after = []
    for index, name in enumerate(node.input):
        if types.get(name) in wider:
            inner.input[index] = f"{name}.{tag}.in"
            before[name] = cast(lambda n: (n, f"{n}.{tag}.in"), name, wider[types[name]])
    for index, name in enumerate(node.output):
        if types.get(name) in wider:
            inner.output[index] = f"{name}.{tag}.out"
            after.append(cast(lambda n: (f"{n}.{tag}.out", n), name, types[name]))
    return [*before.values(), inner, *after]
