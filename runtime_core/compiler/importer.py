"""ONNX files in: checked, with every shape known and every constant computed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime_core.compiler.batch import fix_batch, free_reshapes
from runtime_core.compiler.bodies import reads
from runtime_core.compiler.declared import default_opset
from runtime_core.compiler.expand import expand
from runtime_core.compiler.fold import MAX_FOLDED_BYTES, fold_constants, fold_shapes
from runtime_core.compiler.ir import Module
from runtime_core.compiler.messages import one_line
from runtime_core.compiler.reading import Source, to_array
from runtime_core.compiler.shapes import infer_specs
from runtime_core.errors import ModelFileError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

MIN_OPSET = 7
_CONVERTED_OPSET = 9


def import_model(source: Source, where: str, batch: int | None) -> tuple[Module, list[NodeProto], ModelProto]:
    """Fix the batch, fold constants, infer shapes.

    Args:
        source: checked; it is changed.
        where: the model, for messages.
        batch: samples an execution; ``None`` for the model's own.

    Returns:
        The module with inputs, outputs, specs and constants, the nodes that are left to lower, in order, and the
        model that they come from (brought to a newer operator set where it needs one).

    Raises:
        ModelFileError: an old operator set, open dimensions, shapes that do not fit, constants that can't be computed.
    """
    model = _modern(source.model, where)
    graph = model.graph
    module = Module(graph.name or Path(where).stem, default_opset(model), [], [o.name for o in graph.output])
    module.constants.update(source.constants)
    for tensor in graph.initializer:
        module.constants[tensor.name] = to_array(tensor, where)
    _enter_sparse(module, model, where)
    inputs = [i for i in graph.input if i.name not in module.constants]
    module.inputs = [i.name for i in inputs]
    replaced = fix_batch(inputs, where, batch)
    declared = {} if replaced else {v.name: v for v in (*graph.value_info, *graph.output)}
    rest = fold_constants(module, model, graph.node, where)
    if replaced:
        free_reshapes(module, rest, replaced)
    infer_specs(module, model, rest, inputs, declared, where)
    expanded = expand(module, model, rest, inputs)
    if expanded is not None:
        rest = fold_constants(module, model, expanded, where)
        infer_specs(module, model, rest, inputs, declared, where)
    # Shapes that are known make constants, which make further shapes known.
    while fold_shapes(module, rest):
        rest = fold_constants(module, model, [n for n in rest if n.output[0] not in module.constants], where)
        infer_specs(module, model, rest, inputs, declared, where)
    for name in module.inputs:
        if name not in module.specs:
            raise ModelFileError(f"{where}: the type of input {name!r} is not one a NeuronCore knows")
    rest = _needed(rest, set(module.outputs))
    module.read = {name for node in rest for name in reads(node)} | set(module.outputs)
    return module, rest, model


def _modern(model: ModelProto, where: str) -> ModelProto:
    """Bring a model of an operator set that the rules do not know up to one they do, without functions of its own."""
    import onnx

    if model.functions:
        from onnx.inliner import inline_local_functions

        try:
            model = inline_local_functions(model)
        except (RuntimeError, ValueError) as error:
            raise ModelFileError(f"{where}: its functions can't be inlined: {one_line(error)}") from None
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
            f"{where} uses operator set {opset}, which can't be converted: export it with {MIN_OPSET} or newer"
        ) from None


def _enter_sparse(module: Module, model: ModelProto, where: str) -> None:
    """Sparse constants become dense ones: the engines know no other."""
    for sparse in model.graph.sparse_initializer:
        shape, name = tuple(sparse.dims), sparse.values.name
        values = to_array(sparse.values, where)
        places = to_array(sparse.indices, where)
        count = int(np.prod([float(d) for d in shape]))
        if count * values.dtype.itemsize > MAX_FOLDED_BYTES:
            raise ModelFileError(f"{where}: constant {name!r} of the shape {list(shape)} is too large")
        dense = np.zeros(shape, values.dtype)
        try:
            if places.ndim == 1:
                dense.reshape(-1)[places] = values
            else:
                dense[tuple(places.T)] = values
        except IndexError:
            raise ModelFileError(f"{where}: sparse constant {name!r} has an element outside its shape") from None
        module.constants[name] = dense


def _needed(nodes: list[NodeProto], wanted: set[str]) -> list[NodeProto]:
    """The nodes that ``wanted`` depends on."""
    kept = []
    for node in reversed(nodes):
        if any(name in wanted for name in node.output):
            wanted.update(reads(node))
            kept.append(node)
    return kept[::-1]
