"""Operators to instructions: a table of rules, one interpreter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime_core.compiler.bodies import reads
from runtime_core.compiler.ir import Module, Op
from runtime_core.compiler.lower import elementwise, indexing, matrix, movement, normalise, quantised, recurrent
from runtime_core.compiler.lower.context import Lowering, Rule, Unsupported
from runtime_core.compiler.messages import one_line
from runtime_core.neff.graph import DType, EngineKind

if TYPE_CHECKING:
    from onnx import NodeProto

RULES: dict[str, Rule] = {
    **matrix.RULES,
    **elementwise.RULES,
    **normalise.RULES,
    **movement.RULES,
    **indexing.RULES,
    **recurrent.RULES,
    **quantised.RULES,
}
"""Operator of the default domain -> its rule. An operator without a rule runs on a CPU node."""


def cpu_op(node: NodeProto, reason: str) -> Op:
    """An operator that is not lowered, for a CPU node."""
    inputs = reads(node)
    outputs = [n for n in node.output if n]
    return Op(EngineKind.DMA, "cpu", inputs, outputs, source=node.name or node.op_type, node=node, reason=reason)


def lower_node(module: Module, node: NodeProto) -> list[Op]:
    """The instructions of an operator. If no engine can run it, it is not lowered and records the reason."""
    reason = ""
    rule = RULES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    lowering = Lowering(module, node)
    if rule is None:
        reason = "no engine runs this operator"
    else:
        names = [n for n in (*node.input, *lowering.outputs) if n]
        unknown = [n for n in names if n not in module.specs]
        wide = [n for n in names if n not in unknown and _is_wide(module, n)]
        empty = [] if unknown else _empty_inputs(module, node)
        if unknown:
            reason = f"the type or shape of {unknown[0]!r} is only known at run time"
        elif wide:
            reason = "no engine computes float64"
        elif empty and node.op_type != "Concat":
            reason = f"{empty[0]!r} has no elements, but the output has some"
        else:
            try:
                rule.lower(lowering)
            except Unsupported as why:
                reason = str(why)
            except (ValueError, TypeError, LookupError, ArithmeticError) as error:
                # The checker accepts attributes that do not fit the inputs; the evaluator reports what is wrong.
                reason = f"its attributes do not fit its inputs: {one_line(error)}"
            else:
                return lowering.ops
    return [cpu_op(node, reason)]


def _is_wide(module: Module, name: str) -> bool:
    return module.specs[name].dtype is DType.FLOAT64


def _empty_inputs(module: Module, node: NodeProto) -> list[str]:
    """Inputs without elements of an operator whose output has elements: engines do not define the result."""
    if not any(n and module.specs[n].element_count for n in node.output):
        return []
    return [n for n in node.input if n and n not in module.constants and not module.specs[n].element_count]
