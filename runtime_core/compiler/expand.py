"""Replaces composite operators by the simpler ones that define them in ONNX, if the engines run those."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from runtime_core.compiler.bodies import every_node
from runtime_core.compiler.functions import instance, means_the_same, state_defaults
from runtime_core.compiler.ir import Module
from runtime_core.compiler.shapes import skeleton

if TYPE_CHECKING:
    from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, TypeProto, ValueInfoProto

EXPANDED = (
    "Attention",
    "CastLike",
    "GroupNormalization",
    "RMSNormalization",
    "RotaryEmbedding",
    "SwiGLU",
    "Swish",
)
"""Operators whose definition, in the onnx package, uses nothing that needs a CPU node."""

_MOST_LEVELS = 4
"""How deep definitions use other such operators."""


def expand(
    module: Module, model: ModelProto, nodes: list[NodeProto], inputs: list[ValueInfoProto]
) -> list[NodeProto] | None:
    """Replace composite operators by their definitions; ``None`` when there is nothing to replace.

    Types have to be known: many definitions depend on them. An onnx package that is too old to expand its own
    operators leaves them for CPU nodes.
    """
    left = nodes
    for _ in range(_MOST_LEVELS):
        present = {n.op_type for n in left if not n.domain and n.op_type in EXPANDED}
        inlined = _inlined(module, model, left, inputs, present) if present else None
        if inlined is None:
            break
        left = inlined
    return None if left is nodes else left


def _inlined(
    module: Module, model: ModelProto, nodes: list[NodeProto], inputs: list[ValueInfoProto], names: set[str]
) -> list[NodeProto] | None:
    """One level of definitions: the types of what a definition uses are known only once it is in place."""
    import onnx
    from onnx import inliner

    state_defaults(nodes, module.opset)
    typed = onnx.shape_inference.infer_shapes(skeleton(module, model, nodes, inputs), data_prop=True)
    for constant in typed.graph.initializer:
        # The inliner looks for types among the declared values only.
        info = onnx.helper.make_tensor_value_info(constant.name, constant.data_type, list(constant.dims))
        typed.graph.value_info.append(info)
    try:
        inlined = inliner.inline_selected_functions(
            typed, [("", n) for n in sorted(names)], inline_schema_functions=True
        )
    except (TypeError, ValueError, RuntimeError):
        return _instances(module, typed.graph, names)
    return list(inlined.graph.node)


def _instances(module: Module, graph: GraphProto, names: set[str]) -> list[NodeProto] | None:
    """One level of definitions, node by node: the onnx package's inliner fails where an optional input is left out."""
    types = {v.name: v.type for v in (*graph.input, *graph.value_info, *graph.output)}
    found: list[NodeProto] = []
    for node in graph.node:
        function = _definition(module, node, types) if not node.domain and node.op_type in names else None
        if function is None:
            found.append(node)
            continue
        found += instance(function, node, module.fresh(f"{node.op_type}.{node.output[0]}"))
    return found if len(found) != len(graph.node) else None


def _definition(module: Module, node: NodeProto, types: Mapping[str, TypeProto]) -> FunctionProto | None:
    """What the onnx package defines an operator as, for the types of its inputs; ``None`` where it does not."""
    import onnx

    schema = onnx.defs.get_schema(node.op_type, module.opset)
    # Older onnx packages do not tell.
    definition = getattr(schema, "get_context_dependent_function_with_opset_version", None)
    if definition is None:
        return None
    given = [types[n].SerializeToString() if n in types else b"" for n in node.input]
    try:
        text = definition(schema.since_version, node.SerializeToString(), given)
    except (TypeError, ValueError, RuntimeError):
        return None
    if not text:
        return None
    function = onnx.FunctionProto.FromString(text)
    versions = {o.domain: o.version for o in function.opset_import}
    fits = all(
        not n.domain and means_the_same(n, versions.get("", module.opset), module.opset)
        for n in every_node(function.node)
    )
    return function if fits else None
