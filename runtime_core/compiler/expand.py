"""Composite operators into the simpler ones that ONNX defines them by, where the engines run all of those."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def expand(
    module: Module, model: ModelProto, nodes: list[NodeProto], inputs: list[ValueInfoProto]
) -> list[NodeProto] | None:
    """Replace composite operators by their definitions; ``None`` when there is nothing to replace.

    Types have to be known: many definitions depend on them. An onnx package that is too old to expand its own
    operators leaves them for CPU nodes.
    """
    import onnx
    from onnx import inliner

    wanted = [("", name) for name in EXPANDED]
    if not any(n.op_type in EXPANDED and n.domain in ("", "ai.onnx") for n in nodes):
        return None
    bare = skeleton(module, model, nodes, inputs)
    typed = onnx.shape_inference.infer_shapes(bare, data_prop=True)
    for constant in typed.graph.initializer:
        # The inliner looks for types among the declared values only.
        info = onnx.helper.make_tensor_value_info(constant.name, constant.data_type, list(constant.dims))
        typed.graph.value_info.append(info)
    try:
        inlined = inliner.inline_selected_functions(typed, wanted, inline_schema_functions=True)
    except (TypeError, ValueError, RuntimeError):
        return None
    return list(inlined.graph.node)
