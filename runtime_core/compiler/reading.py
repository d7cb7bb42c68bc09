"""Read ONNX models from files and from memory, and check them before all other steps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from runtime_core.compiler.bodies import every_node
from runtime_core.compiler.declared import check_operator_set, check_operators, name_default_domain, open_shapes
from runtime_core.compiler.external import load_external
from runtime_core.compiler.ir import Array
from runtime_core.compiler.maps import replace_maps
from runtime_core.compiler.messages import one_line
from runtime_core.errors import ModelFileError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto

_Message = TypeVar("_Message", "ModelProto", "GraphProto")

MAX_CONSTANT_BYTES = 4 * 1024**3
"""A larger constant, of more than half a device's memory, is not a weight: the file is malformed or hostile."""
_LARGE_BYTES = 4096
_TERM = rb"[A-Za-z]*(\.\.\.)?[A-Za-z]*"
_EQUATION = re.compile(_TERM + rb"(," + _TERM + rb")*(->" + _TERM + rb")?")


class Source(NamedTuple):
    """A checked model. Its large constants are separate inputs, so that copies and checks are cheap.

    Attributes:
        model: the model without the large constants.
        constants: the large constants by name.
        notes: what a user of the compiled model needs to know.
    """

    model: ModelProto
    constants: dict[str, Array]
    notes: tuple[str, ...] = ()


def read_onnx(path: Path) -> Source:
    """Read and check an ONNX file and its external data, which must be in the same folder or below.

    Raises:
        ModelFileError: the file is missing, not ONNX, or malformed.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise ModelFileError(
            f"compiling a model requires the Python package {error.name!r}, which is not installed"
        ) from error
    if not path.is_file():
        raise ModelFileError("no such model file", where=str(path))
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError:
        raise ModelFileError(f"{path} is not an ONNX file, or it is truncated", mend="export the model again") from None
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise ModelFileError(f"{path} cannot be read: {one_line(error)}") from None
    load_external(model, path)
    return check_model(model, str(path))


def check_model(model: ModelProto, where: str) -> Source:
    """Check a copy of a model; the model itself is not changed.

    Raises:
        ModelFileError: the model is malformed; names the part.
    """
    import onnx

    if not model.graph.node and not model.graph.output:
        raise ModelFileError(f"{where} is not an ONNX model: it has no graph")
    source = _split(model, where)
    name_default_domain(source.model)
    check_operator_set(source.model, where)
    source = source._replace(notes=tuple(replace_maps(source.model)))
    open_shapes(source.model, where)
    try:
        onnx.checker.check_model(source.model)
    except (onnx.checker.ValidationError, ValueError, TypeError) as error:
        check_operators(source.model, where)
        raise ModelFileError(f"{where} is malformed: {one_line(error)}") from None
    for node in every_node((*model.graph.node, *(n for f in model.functions for n in f.node))):
        _check_text(node, where)
        if node.op_type == "Einsum":
            _check_equation(node, where)
    return source


def to_array(tensor: TensorProto, where: str) -> Array:
    """Return a constant as an array.

    Raises:
        ModelFileError: its data do not match its type and shape.
    """
    import onnx

    try:
        return onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OSError, onnx.checker.ValidationError) as error:
        raise ModelFileError(f"constant {tensor.name!r} is malformed: {one_line(error)}", where=where) from None


def dense_array(sparse: SparseTensorProto, where: str) -> Array:
    """Return a sparse constant as a dense array.

    Raises:
        ModelFileError: it is too large, or has an element outside its shape.
    """
    shape, name = tuple(sparse.dims), sparse.values.name
    values, places = to_array(sparse.values, where), to_array(sparse.indices, where)
    if np.prod([float(d) for d in shape]) * values.dtype.itemsize > MAX_CONSTANT_BYTES:
        raise ModelFileError(f"constant {name!r} of the shape {list(shape)} is too large", where=where)
    dense = np.zeros(shape, values.dtype)
    try:
        if places.ndim == 1:
            dense.reshape(-1)[places] = values
        else:
            dense[tuple(places.T)] = values
    except IndexError:
        raise ModelFileError(f"sparse constant {name!r} has an element outside its shape", where=where) from None
    return dense


def _split(model: ModelProto, where: str) -> Source:
    """Return a copy of the model without its large constants, and the constants."""
    import onnx

    # ByteSize is used because reading raw_data copies it.
    large = {
        t.name: t for t in model.graph.initializer if t.name and t.HasField("raw_data") and t.ByteSize() > _LARGE_BYTES
    }
    light = _without(model, "graph", where)
    light.graph.CopyFrom(_without(model.graph, "initializer", where))
    light.graph.initializer.extend(t for t in model.graph.initializer if t.name not in large)
    declared = {value.name for value in model.graph.input}
    light.graph.input.extend(
        onnx.helper.make_tensor_value_info(t.name, t.data_type, list(t.dims))
        for t in large.values()
        if t.name not in declared
    )
    return Source(light, {name: to_array(t, where) for name, t in large.items()})


def _without(message: _Message, left_out: str, where: str) -> _Message:
    """Return a copy of a message without one of its fields.

    Raises:
        ModelFileError: a text in it is not UTF-8.
    """
    copy = type(message)()
    for field, value in message.ListFields():
        if field.name == left_out:
            continue
        if hasattr(value, "extend"):
            getattr(copy, field.name).extend(value)
        elif hasattr(value, "CopyFrom"):
            getattr(copy, field.name).CopyFrom(value)
        else:
            try:
                setattr(copy, field.name, value)
            except ValueError:
                raise ModelFileError(f"{where} is malformed: the text {value!r} is not UTF-8") from None
    return copy


def _check_text(node: NodeProto, where: str) -> None:
    """Refuse names that are not UTF-8: protobuf's C decoder returns them as bytes, but all readers expect strings."""
    words = (node.op_type, node.domain, node.name, *node.input, *node.output, *(a.name for a in node.attribute))
    for word in words:
        if isinstance(word, bytes):
            raise ModelFileError(f"{where} is malformed: the name {word!r} is not UTF-8")


def _check_equation(node: NodeProto, where: str) -> None:
    """Refuse malformed equations of Einsum, because the onnx package's inference never ends on some of them."""
    equation = next((a.s for a in node.attribute if a.name == "equation"), b"")
    if not _EQUATION.fullmatch(equation.replace(b" ", b"")):
        raise ModelFileError(f"{where} is malformed: the equation of Einsum {node.name!r} is invalid")
