"""Integer division in models for ONNX Runtime, whose kernel traps where the quotient overflows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

_TRAPPING = (6, 7)
"""INT32 and INT64. The processor divides shorter integers as longer ones, which hold the quotient."""
_WHERE_OPSET = 9


def without_traps(model: ModelProto) -> ModelProto:
    """Return a model in which the smallest integer divided by -1 is itself, as in NumPy; else the process would end."""
    import onnx

    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    if opset < _WHERE_OPSET or not any(node.op_type == "Div" for node in _nodes(model.graph)):
        return model
    try:
        typed = onnx.shape_inference.infer_shapes(model)
    except (onnx.shape_inference.InferenceError, ValueError, TypeError):
        return model
    guarded = type(model)()
    guarded.CopyFrom(model)
    _guard(guarded.graph, typed.graph, {})
    return guarded


def _bodies(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _nodes(graph: GraphProto) -> Iterator[NodeProto]:
    for node in graph.node:
        yield node
        for body in _bodies(node):
            yield from _nodes(body)


def _guard(graph: GraphProto, typed: GraphProto, outside: Mapping[str, int]) -> None:
    types = dict(outside)
    types.update((v.name, v.type.tensor_type.elem_type) for v in (*typed.input, *typed.value_info, *typed.output))
    types.update((t.name, t.data_type) for t in typed.initializer)
    nodes: list[NodeProto] = []
    for node, same in zip(graph.node, typed.node, strict=True):
        for body, typed_body in zip(_bodies(node), _bodies(same), strict=True):
            _guard(body, typed_body, types)
        divides = node.op_type == "Div" and not node.domain
        traps = divides and any(types.get(name) in _TRAPPING for name in (*node.input, *node.output))
        nodes += _guarded(node) if traps else [node]
    del graph.node[:]
    graph.node.extend(nodes)


def _guarded(node: NodeProto) -> list[NodeProto]:
    """Divide by 1 instead of by -1, and negate. The constants are made of the divisor, which has their type."""
    from onnx import helper

    (dividend, divisor), quotient = node.input, node.output[0]
    one, zero, minus, is_minus, safe, plain, negated = (f"{quotient}.division.{index}" for index in range(7))
    return [
        helper.make_node("Div", [divisor, divisor], [one]),
        helper.make_node("Sub", [one, one], [zero]),
        helper.make_node("Sub", [zero, one], [minus]),
        helper.make_node("Equal", [divisor, minus], [is_minus]),
        helper.make_node("Where", [is_minus, one, divisor], [safe]),
        helper.make_node("Div", [dividend, safe], [plain], name=node.name),
        helper.make_node("Sub", [zero, plain], [negated]),
        helper.make_node("Where", [is_minus, negated, plain], [quotient]),
    ]
