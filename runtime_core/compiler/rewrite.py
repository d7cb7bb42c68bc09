"""Rewrite operators of known shape into forms that every evaluator and engine supports."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from runtime_core.compiler.ir import Module

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

CEILED_OPSET = 22
"""From this operator set on, the specification ignores windows that would start in the padding at the end."""


def rewrite(
    module: Module, _model: ModelProto, nodes: list[NodeProto], _inputs: list[ValueInfoProto]
) -> list[NodeProto] | None:
    """Return the nodes with replacements; ``None`` if no node needs one."""
    found: list[NodeProto] = []
    for node in nodes:
        rule = _RULES.get(node.op_type) if not node.domain else None
        replaced = rule(module, node) if rule is not None else None
        found += [node] if replaced is None else replaced
    return found if len(found) != len(nodes) or any(a is not b for a, b in zip(found, nodes, strict=True)) else None


def _batch_first(module: Module, node: NodeProto) -> list[NodeProto] | None:
    """Replace a recurrent operator with the batch first by one with the steps first, between transpositions."""
    from onnx import helper

    if not any(a.name == "layout" and a.i for a in node.attribute):
        return None
    inner = type(node)()
    inner.CopyFrom(node)
    kept = [a for a in node.attribute if a.name != "layout"]
    del inner.attribute[:]
    inner.attribute.extend(kept)
    before, after = [], []

    def turned(name: str, perm: list[int]) -> str:
        other = module.fresh(f"{name}.turned")
        before.append(helper.make_node("Transpose", [name], [other], perm=perm))
        return other

    # X is [batch, steps, size] and a state [batch, directions, hidden]; Y is [batch, steps, directions, hidden].
    for index in (0, 5, 6):
        if index < len(node.input) and node.input[index]:
            inner.input[index] = turned(node.input[index], [1, 0, 2])
    for index, name in enumerate(node.output):
        if name:
            inner.output[index] = module.fresh(f"{name}.turned")
            perm = [2, 0, 1, 3] if index == 0 else [1, 0, 2]
            after.append(helper.make_node("Transpose", [inner.output[index]], [name], perm=perm))
    return [*before, inner, *after]


def _ceiled(module: Module, node: NodeProto) -> list[NodeProto] | None:
    """Rewrite a pooling operator whose ceil mode counts a window that would start in the padding at the end.

    The specification excludes such a window only since operator set 22. The shape inference of the onnx package follows
    it, but ONNX Runtime's kernels exclude the window in all operator sets.
    """
    from onnx import helper

    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    spec = module.specs.get(node.input[0])
    if module.opset >= CEILED_OPSET or not values.get("ceil_mode") or spec is None:
        return None
    if values.get("auto_pad", b"NOTSET") not in (b"", b"NOTSET"):
        return None
    kernel = list(values["kernel_shape"])
    rank = len(kernel)
    strides = list(values.get("strides") or [1] * rank)
    dilations = list(values.get("dilations") or [1] * rank)
    pads = list(values.get("pads") or [0] * 2 * rank)
    counts, ends = [], []
    for axis, size in enumerate(spec.shape[2:]):
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        span = size + pads[axis] + pads[rank + axis] - reach
        count = math.ceil(span / strides[axis]) + 1
        counts.append(count)
        ends.append(count - 1 if (count - 1) * strides[axis] >= size + pads[axis] else count)
    if counts == ends:
        return None
    floored = [
        (size + pads[axis] + pads[rank + axis] - (kernel[axis] - 1) * dilations[axis] - 1) // strides[axis] + 1
        for axis, size in enumerate(spec.shape[2:])
    ]
    inner = type(node)()
    inner.CopyFrom(node)
    if floored == ends:
        kept = [a for a in node.attribute if a.name != "ceil_mode"]
    else:
        # Padding that no window reaches only affects the number of windows.
        for axis, size in enumerate(spec.shape[2:]):
            reach = (kernel[axis] - 1) * dilations[axis] + 1
            if ends[axis] < counts[axis]:
                pads[rank + axis] = max(0, (ends[axis] - 1) * strides[axis] + reach - size - pads[axis])
        kept = [a for a in node.attribute if a.name != "pads"]
        kept.append(helper.make_attribute("pads", pads))
    del inner.attribute[:]
    inner.attribute.extend(kept)
    return [inner]


_RULES: dict[str, Callable[[Module, NodeProto], list[NodeProto] | None]] = {
    "AveragePool": _ceiled,
    "GRU": _batch_first,
    "LSTM": _batch_first,
    "LpPool": _ceiled,
    "MaxPool": _ceiled,
    "RNN": _batch_first,
}
