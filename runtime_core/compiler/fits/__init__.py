"""Refuses operators whose inputs do not fit together, where the onnx package's shape inference does not look."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from runtime_core.compiler.fits.rules import ABORTING, OF_INPUTS, WITH_OUTPUT
from runtime_core.compiler.ir import Module
from runtime_core.compiler.lower.context import Lowering
from runtime_core.errors import ModelFileError

if TYPE_CHECKING:
    from onnx import NodeProto


def check_fit(module: Module, nodes: Iterable[NodeProto], where: str) -> None:
    """Check the operators whose shapes are all known.

    Raises:
        ModelFileError: inputs that do not fit together, or integers divided by zero; names the operator and its node.
    """
    for node in nodes:
        problem = "" if node.domain else _problem(module, node)
        name = node.name or next(filter(None, node.output), "")
        if _divides_by_zero(module, node):
            raise ModelFileError(
                f"operator {node.op_type} of node {name!r} divides integers by zero: {node.input[1]!r} contains a 0",
                where=where,
                mend="replace it in the model",
            )
        if problem:
            raise ModelFileError(
                f"shapes do not fit together: operator {node.op_type} of node {name!r}: {problem}",
                where=where,
                mend="export the model with shapes that fit",
            )


def aborts(module: Module, node: NodeProto) -> bool:
    """Whether ONNX Runtime would end the process on constant inputs of these shapes."""
    return node.op_type in ABORTING and bool(node.input) and not module.constants[node.input[0]].size


def _divides_by_zero(module: Module, node: NodeProto) -> bool:
    if node.domain or node.op_type not in ("Div", "Mod") or len(node.input) != 2:
        return False
    divisor, quotient = module.constant(node.input[1]), module.specs.get(node.output[0])
    if divisor is None or divisor.dtype.kind not in "iu" or divisor.all():
        return False
    return quotient is not None and quotient.element_count > 0


def _problem(module: Module, node: NodeProto) -> str:
    if any(name not in module.specs for name in node.input if name):
        return ""
    lo = Lowering(module, node)
    rule = OF_INPUTS.get(node.op_type)
    problem = rule(lo) if rule is not None else ""
    rule = WITH_OUTPUT.get(node.op_type) if node.output[0] in module.specs else None
    return problem or (rule(lo) if rule is not None else "")
