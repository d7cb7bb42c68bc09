"""Composite operators into the simpler ones that ONNX defines them by, where the engines run all of those."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime_core.compiler.functions import state_defaults
from runtime_core.compiler.ir import Module
from runtime_core.compiler.shapes import skeleton

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

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
        return None
    return list(inlined.graph.node)
