"""An ONNX model as models of one operator each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto


def one_by_one(model: ModelProto) -> list[ModelProto]:
    """A model for each operator, in order; none where there is one operator only, or a type is unknown.

    A constant is part of the models that read it.
    """
    import onnx

    if len(model.graph.node) < 2 or model.functions:
        return []
    try:
        typed = onnx.shape_inference.infer_shapes(model).graph
    except (onnx.shape_inference.InferenceError, ValueError, TypeError):
        return []
    known = {v.name: v for v in (*typed.input, *typed.value_info, *typed.output)}
    constants = {t.name: t for t in model.graph.initializer}
    steps = []
    for node in model.graph.node:
        names = _reads(node)
        inputs = [_without_shape(known[n]) for n in names if n in known and n not in constants]
        if len(inputs) != sum(n not in constants for n in names):
            return []
        outputs = [known.get(n) or onnx.helper.make_value_info(n, onnx.TypeProto()) for n in node.output if n]
        graph = onnx.helper.make_graph([node], "step", inputs, outputs, [constants[n] for n in names if n in constants])
        steps.append(onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version))
    return steps


def _reads(node: NodeProto) -> list[str]:
    """Inputs, and what bodies may read from around them: whatever name in them nothing there makes."""
    names = [n for n in node.input if n]
    for attribute in node.attribute:
        for body in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
            own = {v.name for v in body.input} | {t.name for t in body.initializer}
            own.update(n for inner in body.node for n in inner.output)
            inside = [n for inner in body.node for n in _reads(inner)] + [o.name for o in body.output]
            names += [n for n in inside if n and n not in own]
    return list(dict.fromkeys(names))


def _without_shape(value: ValueInfoProto) -> ValueInfoProto:
    """The value by its type alone: inference may be wrong about its extents."""
    copy = type(value)()
    copy.CopyFrom(value)
    if copy.type.HasField("tensor_type"):
        copy.type.tensor_type.ClearField("shape")
    return copy
