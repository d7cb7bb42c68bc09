"""Replace composite operators by their ONNX definitions in simpler operators, if engines can run those."""

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
"""Operators whose definition in the onnx package needs no CPU node."""

_MOST_LEVELS = 4
"""Maximum depth of definitions that use other composite operators."""


def expand(
    module: Module, model: ModelProto, nodes: list[NodeProto], inputs: list[ValueInfoProto]
) -> list[NodeProto] | None:
    """Replace composite operators by their definitions; return ``None`` if there are none.

    The types must be known, because many definitions depend on them. If the onnx package is too old to expand its
    operators, they are left for CPU nodes.
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
    """Expand one level of definitions. Types within a definition are known only after it is inserted."""
    import onnx
    from onnx import inliner

    state_defaults(nodes, module.opset)
    typed = onnx.shape_inference.infer_shapes(skeleton(module, model, nodes, inputs), data_prop=True)
    for constant in typed.graph.initializer:
        # The inliner uses types of declared values only.
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
    """Expand one level of definitions node by node. The onnx inliner fails if an optional input is omitted."""
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
    """Return the onnx package's definition of an operator for the types of its inputs; ``None`` if there is none."""
    import onnx

    schema = onnx.defs.get_schema(node.op_type, module.opset)
    # Older onnx packages do not provide definitions.
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
