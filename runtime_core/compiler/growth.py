"""Refuse a batch that does not set the number of samples that a model computes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from runtime_core.compiler.ir import Module
from runtime_core.errors import ModelFileError

if TYPE_CHECKING:
    from onnx import NodeProto, ValueInfoProto

MEND = "compile it without a batch, or export it with an open batch dimension"
_RECURRENT = ("GRU", "LSTM", "RNN")


class Batched(NamedTuple):
    """A model whose shapes are known for a batch.

    Attributes:
        module: its shapes.
        nodes: its operators; recurrent ones have their steps in the first dimension.
        batch: the batch that was requested, more than 1.
    """

    module: Module
    nodes: Iterable[NodeProto]
    batch: int


def check_batch(
    made: Batched,
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    at_batch: Callable[[int], Module],
    where: str,
) -> None:
    """Check that the outputs grow with the batch.

    Args:
        made: the model with the batch.
        inputs: the inputs that the model declares.
        outputs: the outputs that the model declares.
        at_batch: returns the shapes with another batch.
        where: the model's file or name, for messages.

    Raises:
        ModelFileError: the inputs have no batch, the outputs do not depend on it, or it would be the number of steps.
    """
    module, batch = made.module, made.batch
    firsts = [v.type.tensor_type.shape.dim[0] for v in inputs if v.type.tensor_type.shape.dim]
    if not firsts:
        raise _refused(f"no input has a dimension that a batch of {batch} could set", where)
    is_open = any(not d.HasField("dim_value") for d in firsts)
    if not is_open and firsts[0].dim_value == batch:
        if not holds(module, batch):
            raise _refused(f"no output has the first dimension of the inputs, {batch}: it is not a batch", where)
        return
    other_batch = batch + 1 if is_open else firsts[0].dim_value
    try:
        other = at_batch(other_batch)
    except ModelFileError:
        # It only works with the requested batch, so that its authors meant this one.
        if is_open:
            return
        raise
    _check_steps(made, other, where)
    declared = {o.name: [d.dim_value for d in o.type.tensor_type.shape.dim] for o in outputs}
    grown = False
    for name in module.outputs:
        new = module.specs.get(name)
        old_spec = other.specs.get(name)
        old = list(old_spec.shape) if old_spec is not None else [] if is_open else declared.get(name, [])
        if new is None or new.at_most or not old:
            # A scalar, or a shape that depends on values.
            grown = grown or new is None or new.at_most
            continue
        in_proportion = new.shape[0] * other_batch == old[0] * batch
        grown = grown or in_proportion or (is_open and math.prod(new.shape) != math.prod(old))
        if not is_open and not in_proportion:
            raise _refused(
                f"output {name!r} has the shape {old} with a batch of {other_batch} and {list(new.shape)} with one of "
                f"{batch}: the first dimension of the inputs is not a batch",
                where,
            )
    if not grown:
        raise _refused(f"no output grows with the batch: a batch of {batch} would not compute {batch} samples", where)


def holds(module: Module, batch: int) -> bool:
    """Whether the first dimension of some computed output is a multiple of the batch, or is not known."""
    if not module.sequences.isdisjoint(module.inputs):
        return False
    specs = [module.specs.get(name) for name in module.outputs if name not in module.constants]
    return any(s is None or s.at_most or (s.shape and s.shape[0] % max(1, batch) == 0) for s in specs)


def sequences(nodes: Iterable[NodeProto]) -> set[str]:
    """Return the values whose first dimension is the steps of a recurrent operator."""
    return {node.input[0] for node in nodes if node.op_type in _RECURRENT and not node.domain}


def _check_steps(made: Batched, other: Module, where: str) -> None:
    """Check that the batch is not the sequence of a recurrent operator, which is [steps, batch, size]."""
    for node in made.nodes:
        if node.op_type not in _RECURRENT or node.domain:
            continue
        shapes = [m.specs[node.input[0]].shape for m in (made.module, other) if node.input[0] in m.specs]
        if len({shape[:1] for shape in shapes}) > 1 and len({shape[1:2] for shape in shapes}) == 1:
            raise _refused(
                f"the first dimension of the inputs is the number of steps of operator {node.op_type} of node "
                f"{node.name or node.output[-1]!r}: a batch would change it",
                where,
            )


def _refused(what: str, where: str) -> ModelFileError:
    return ModelFileError(what, where=where, mend=MEND)
