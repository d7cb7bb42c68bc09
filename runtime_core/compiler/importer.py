"""Import ONNX models: check them, infer shapes and compute constants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from runtime_core.compiler.batch import fix_batch, free_reshapes
from runtime_core.compiler.bodies import reads
from runtime_core.compiler.declared import default_opset
from runtime_core.compiler.expand import expand
from runtime_core.compiler.fold import fold_constants, fold_shapes
from runtime_core.compiler.functions import inline_functions, state_defaults
from runtime_core.compiler.growth import MEND, Batched, check_batch, sequences
from runtime_core.compiler.ir import Module
from runtime_core.compiler.reading import Source, dense_array, to_array
from runtime_core.compiler.rewrite import rewrite
from runtime_core.compiler.shapes import infer_specs
from runtime_core.errors import ModelFileError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

MIN_OPSET = 7
_CONVERTED_OPSET = 9
_TEXT = 8


def import_model(source: Source, where: str, batch: int | None) -> tuple[Module, list[NodeProto], ModelProto]:
    """Fix the batch, fold constants, infer shapes.

    Args:
        source: a checked model, which is changed.
        where: the model's file or name, for messages.
        batch: samples per execution; ``None``: the model's batch.

    Returns:
        The module with inputs, outputs, specs and constants; the remaining nodes, in order; and their model, which was
        converted to a newer operator set if necessary.

    Raises:
        ModelFileError: the operator set cannot be converted, dimensions are open, shapes contradict each other, or
            constants cannot be computed.
    """
    model = _modern(source.model, where)
    graph = model.graph
    state_defaults(graph.node, default_opset(model))
    module = Module(graph.name or Path(where).stem, default_opset(model), [], [o.name for o in graph.output])
    module.notes = source.notes
    for kind, values in (("input", graph.input), ("output", graph.output)):
        twice = next((name for name, count in Counter(v.name for v in values).items() if count > 1), None)
        if twice is not None:
            raise ModelFileError(f"{kind} {twice!r} is listed twice", where=where, mend="export the model again")
    module.constants.update(source.constants)
    for tensor in graph.initializer:
        module.constants[tensor.name] = to_array(tensor, where)
    for sparse in graph.sparse_initializer:
        module.constants[sparse.values.name] = dense_array(sparse, where)
    inputs = [i for i in graph.input if i.name not in module.constants]
    module.inputs = [i.name for i in inputs]
    original = _copies(inputs)
    replaced = fix_batch(inputs, where, batch)
    declared = {} if replaced else {v.name: v for v in (*graph.value_info, *graph.output)}
    begun = fold_constants(module, model, graph.node, where)
    constants = dict(module.constants)
    try:
        rest = _complete(module, model, begun, inputs, declared, where, replaced)
    except ModelFileError as error:
        if not replaced:
            raise
        raise ModelFileError(
            f"the model requires a batch of {replaced}: with {batch}, {error.what}", where=where, mend=MEND
        ) from None
    module.sequences = sequences(rest)
    if batch is not None and batch > 1:

        def at_batch(other: int) -> Module:
            again = Module(module.name, module.opset, module.inputs, module.outputs, constants=dict(constants))
            values = _copies(original)
            _complete(again, model, begun, values, {}, where, fix_batch(values, where, other))
            return again

        check_batch(Batched(module, rest, batch), original, graph.output, at_batch, where)
    for name in module.inputs:
        if name not in module.specs:
            raise ModelFileError(f"input {name!r} has an element type that a NEFF does not support", where=where)
    for output in graph.output:
        if output.type.tensor_type.elem_type == _TEXT:
            raise ModelFileError(
                f"output {output.name!r} is text, and a NEFF holds numbers",
                where=where,
                mend="export the model with integer labels, or without this output",
            )
    rest = _needed(rest, set(module.outputs))
    module.read = {name for node in rest for name in reads(node)} | set(module.outputs)
    return module, rest, model


def _copies(values: Iterable[ValueInfoProto]) -> list[ValueInfoProto]:
    """Return copies whose dimensions may be set."""
    copies = []
    for value in values:
        copies.append(type(value)())
        copies[-1].CopyFrom(value)
    return copies


def _complete(
    module: Module,
    model: ModelProto,
    nodes: list[NodeProto],
    inputs: list[ValueInfoProto],
    declared: dict[str, ValueInfoProto],
    where: str,
    replaced: int,
) -> list[NodeProto]:
    """Infer all shapes, rewrite operators, and fold known shapes; return the remaining nodes."""
    rest = free_reshapes(module, nodes, replaced) if replaced else nodes
    infer_specs(module, model, rest, inputs, declared, where)
    for step in (rewrite, expand):
        found = step(module, model, rest, inputs)
        if found is not None:
            rest = fold_constants(module, model, found, where)
            infer_specs(module, model, rest, inputs, declared, where)
    # Known shapes become constants, from which further shapes can be inferred.
    while fold_shapes(module, rest):
        rest = fold_constants(module, model, [n for n in rest if n.output[0] not in module.constants], where)
        infer_specs(module, model, rest, inputs, declared, where)
    return rest


def _modern(model: ModelProto, where: str) -> ModelProto:
    """Convert a model with an operator set that is too old for the rules, and inline its functions."""
    import onnx

    inline_functions(model, where)
    opset = default_opset(model)
    if opset >= MIN_OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, _CONVERTED_OPSET)
    except (
        RuntimeError,
        ValueError,
        TypeError,
        AttributeError,
        onnx.onnx_cpp2py_export.version_converter.ConvertError,
    ):
        raise ModelFileError(
            f"{where} uses operator set {opset}, which cannot be converted", mend=f"export it with {MIN_OPSET} or newer"
        ) from None


def _needed(nodes: list[NodeProto], wanted: set[str]) -> list[NodeProto]:
    """Return the nodes on which ``wanted`` depends."""
    kept = []
    for node in reversed(nodes):
        if any(name in wanted for name in node.output):
            wanted.update(reads(node))
            kept.append(node)
    return kept[::-1]
