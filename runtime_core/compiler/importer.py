"""ONNX files in: checked, with every shape known and every constant computed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime_core.compiler.bodies import outer_reads
from runtime_core.compiler.ir import Array, Module
from runtime_core.errors import ModelFileError
from runtime_core.neff.graph import DType, TensorSpec

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

MIN_OPSET = 7
_CONVERTED_OPSET = 9
MAX_FOLDED_BYTES = 4 * 1024**3
"""A constant larger than half a device's memory is no weight: the file is malformed or hostile."""
_SMALL_BYTES = 4096
_NEVER_FOLDED = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"}


def one_line(error: BaseException) -> str:
    """The first sentence of another library's message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


def load_onnx(path: Path) -> ModelProto:
    """Read and check an ONNX file with its external data, which must lie beside it.

    Raises:
        ModelFileError: not there, not ONNX, or malformed.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise ModelFileError(
            "compiling needs the 'onnx' package: install it with pip install 'neuron-tools-sim[compiler]'"
        ) from None
    if not path.is_file():
        raise ModelFileError(f"{path}: no such model file")
    try:
        model = onnx.load(path)
    except DecodeError:
        raise ModelFileError(f"{path} is no ONNX file, or it is truncated: export the model again") from None
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise ModelFileError(f"{path} can't be read: {one_line(error)}") from None
    check_onnx(model, str(path))
    return model


def check_onnx(model: ModelProto, where: str) -> None:
    """Run the ONNX checker.

    Raises:
        ModelFileError: naming what is malformed.
    """
    import onnx

    if not model.graph.node and not model.graph.output:
        raise ModelFileError(f"{where} is no ONNX model: it has no graph")
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, TypeError) as error:
        raise ModelFileError(f"{where} is malformed: {one_line(error)}") from None


def default_opset(model: ModelProto) -> int:
    """Version of the default operator set; the newest for a model that names none."""
    import onnx

    versions = (o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    return max(versions, default=onnx.defs.onnx_opset_version())


def import_model(model: ModelProto, where: str, batch: int | None) -> tuple[Module, list[NodeProto], ModelProto]:
    """Fix the batch, fold constants, infer shapes.

    Returns:
        The module with inputs, outputs, specs and constants, the nodes that are left to lower, in order, and the
        model that they come from (brought to a newer operator set where it needs one).

    Raises:
        ModelFileError: an old operator set, open dimensions, shapes that do not fit.
    """
    import onnx

    model = _modern(model, where)
    opset = default_opset(model)
    graph = model.graph
    initial = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    inputs = [i for i in graph.input if i.name not in initial]
    for value in inputs:
        _fix_batch(value, where, batch)
    module = Module(graph.name or Path(where).stem, opset, [i.name for i in inputs], [o.name for o in graph.output])
    module.constants.update(initial)
    rest = _fold(module, model, where)
    module.read = {name for node in rest for name in (*node.input, *outer_reads(node))} | set(module.outputs)
    _infer(module, model, rest, inputs, where)
    return module, rest, model


def _modern(model: ModelProto, where: str) -> ModelProto:
    """Bring a model of an operator set that the rules do not know up to one they do."""
    import onnx

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


def _fix_batch(value: ValueInfoProto, where: str, batch: int | None) -> None:
    """Give the first dimension its size; any other open one is an error."""
    dims = value.type.tensor_type.shape.dim
    if not value.type.HasField("tensor_type"):
        raise ModelFileError(f"{where}: input {value.name!r} is no tensor")
    for axis, dim in enumerate(dims):
        is_open = not dim.HasField("dim_value")
        if axis == 0 and (is_open or batch is not None):
            dim.dim_value = batch or 1
        elif is_open:
            raise ModelFileError(
                f"{where}: dimension {axis} of input {value.name!r} is open ({dim.dim_param or '?'}): "
                "export the model with fixed shapes"
            )
        if dim.dim_value < 0 or dim.dim_value > 1 << 31:
            raise ModelFileError(f"{where}: input {value.name!r} has a dimension of {dim.dim_value}")


def _fold(module: Module, model: ModelProto, where: str) -> list[NodeProto]:
    """Compute what depends on constants alone; returns the other nodes."""
    rest = []
    for node in model.graph.node:
        known = all(not name or name in module.constants for name in node.input)
        if not known or node.op_type in _NEVER_FOLDED or _has_subgraph(node):
            rest.append(node)
            continue
        for name, value in zip(node.output, _evaluate(node, module, model, where), strict=False):
            if name:
                module.constants[name] = value
    return rest


def _has_subgraph(node: NodeProto) -> bool:
    return any(a.HasField("g") or a.graphs for a in node.attribute)


def _evaluate(node: NodeProto, module: Module, model: ModelProto, where: str) -> list[Array]:
    import onnx

    if node.op_type == "ConstantOfShape":
        shape = module.constants[node.input[0]].astype(np.int64)
        value = onnx.numpy_helper.to_array(node.attribute[0].t) if node.attribute else np.zeros(1, np.float32)
        extents = [int(s) for s in shape]
        count = 1
        for extent in extents:
            count *= extent
        if any(e < 0 for e in extents) or count * value.dtype.itemsize > MAX_FOLDED_BYTES:
            raise ModelFileError(f"{where}: constant {node.output[0]!r} of the shape {extents} is too large")
        return [np.full(extents, value.reshape(-1)[0], value.dtype)]
    from onnx.reference import ReferenceEvaluator

    feeds = {n: module.constants[n] for n in node.input if n}
    try:
        single = onnx.helper.make_model(
            onnx.helper.make_graph(
                [node],
                "constant",
                [onnx.helper.make_value_info(n, onnx.TypeProto()) for n in dict.fromkeys(n for n in node.input if n)],
                [onnx.helper.make_value_info(n, onnx.TypeProto()) for n in node.output if n],
            ),
            opset_imports=model.opset_import,
            ir_version=model.ir_version,
        )
        return [np.asarray(v) for v in ReferenceEvaluator(single).run(None, feeds)]
    except Exception as error:
        # The evaluator raises whatever its NumPy code does.
        raise ModelFileError(
            f"{where}: operator {node.op_type} {node.name!r} can't be computed: {one_line(error)}"
        ) from None


def _infer(module: Module, model: ModelProto, rest: list[NodeProto], inputs: list[ValueInfoProto], where: str) -> None:
    """Infer every shape. Large constants take part by shape alone, so that nothing is copied."""
    import onnx

    small, large = [], []
    for name, value in module.constants.items():
        if name not in module.read:
            continue
        if value.nbytes <= _SMALL_BYTES:
            small.append(onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        else:
            dtype = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
            large.append(onnx.helper.make_tensor_value_info(name, dtype, value.shape))
    produced = {o for node in rest for o in node.output}
    outputs = [onnx.helper.make_value_info(n, onnx.TypeProto()) for n in module.outputs if n in produced]
    skeleton = onnx.helper.make_model(
        onnx.helper.make_graph(rest, "shapes", [*inputs, *large], outputs, small),
        opset_imports=model.opset_import,
        ir_version=max(model.ir_version, 4),
    )
    try:
        inferred = onnx.shape_inference.infer_shapes(skeleton, strict_mode=True, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, ValueError, TypeError) as error:
        raise ModelFileError(f"{where}: shapes do not fit together: {one_line(error)}") from None
    for name, value in module.constants.items():
        if value.dtype.name in DType.__members__.values():
            module.specs[name] = TensorSpec(name, DType(value.dtype.name), tuple(value.shape))
    declared = {o.name: o for o in model.graph.output}
    _enter_specs(module, inferred, declared)
    for name in module.inputs:
        if name not in module.specs:
            raise ModelFileError(f"{where}: the type of input {name!r} is not one a NeuronCore knows")


def _enter_specs(module: Module, graph: GraphProto, declared: dict[str, ValueInfoProto]) -> None:

    for value in (*graph.input, *graph.value_info, *graph.output):
        for source in (value, declared.get(value.name)):
            if source is None or not source.type.HasField("tensor_type"):
                continue
            tensor = source.type.tensor_type
            dims = tensor.shape.dim
            if not tensor.HasField("shape") or any(not d.HasField("dim_value") for d in dims) or not tensor.elem_type:
                continue
            dtype = _dtype_name(tensor.elem_type)
            if dtype in DType.__members__.values():
                module.specs[value.name] = TensorSpec(value.name, DType(dtype), tuple(d.dim_value for d in dims))
                break


def _dtype_name(elem_type: int) -> str:
    """NumPy's name of an ONNX element type; "" for one that nobody knows."""
    import onnx

    try:
        return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(elem_type)).name
    except (KeyError, TypeError):
        return ""
