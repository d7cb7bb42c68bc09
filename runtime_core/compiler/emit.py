"""Make the nodes of a NEFF from groups of operations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from runtime_core.compiler.host import host_model
from runtime_core.compiler.ir import Module, Op
from runtime_core.compiler.options import Precision
from runtime_core.compiler.precision import (
    SCALING,
    bounded,
    constant_dtype,
    narrow_buffers,
    numpy_type,
    rounds_inputs,
    vector_inputs,
)
from runtime_core.compiler.trial import check_runs
from runtime_core.errors import ModelFileError
from runtime_core.neff.graph import (
    DType,
    Instruction,
    Node,
    NodeKind,
    Parameter,
    TensorSpec,
)

if TYPE_CHECKING:
    from onnx import ModelProto

ALIGNMENT_BYTES = 64


class UnknownSpecError(ModelFileError):
    """The type and shape of a value between two nodes are only known at run time."""


def outside_uses(module: Module, groups: list[list[Op]]) -> list[set[str]]:
    """Return, for each group, its values that are read by later groups or are outputs of the model."""
    needed: set[str] = set(module.outputs)
    result: list[set[str]] = []
    for group in reversed(groups):
        result.append({name for op in group for name in op.outputs if name in needed})
        needed.update(name for op in group for name in op.inputs)
    return result[::-1]


def _borders(module: Module, group: list[Op], wanted: set[str]) -> tuple[list[str], list[str], list[str]]:
    """Return the names of a group's inputs, of its outputs, and of its inner values."""
    made = [name for op in group for name in op.outputs if name]
    inside = set(made)
    taken = dict.fromkeys(n for op in group for n in op.inputs if n and n not in inside and n not in module.constants)
    given = [name for name in made if name in wanted]
    kept = [name for name in made if name not in wanted]
    return list(taken), given, kept


def spec_of(module: Module, name: str, where: str) -> TensorSpec:
    """Return type and shape of an input or output of a node.

    Raises:
        UnknownSpecError: they are not known.
    """
    spec = module.specs.get(name) or module.open_specs.get(name)
    if spec is None:
        raise UnknownSpecError(
            f"the type and shape of {name!r} cannot be inferred", where=where, mend="export the model with fixed shapes"
        )
    return spec


def _specs(module: Module, names: Iterable[str], where: str) -> tuple[TensorSpec, ...]:
    return tuple(spec_of(module, name, where) for name in names)


def describe_node(
    module: Module, name: str, group: list[Op], wanted: set[str], precision: Precision, core: int, where: str
) -> Node:
    """Make a Neuron node of a group of operations, without its parameters' bytes; ``wanted``: its outputs."""
    taken, given, kept = _borders(module, group, wanted)
    parameters, size_bytes = _lay_out(module, group, precision)
    instructions = tuple(
        Instruction(
            op.engine,
            op.opcode,
            tuple(op.inputs),
            tuple(op.outputs),
            {**op.attributes, **({"cast": precision.narrow.value} if rounds_inputs(module, op, precision) else {})},
            op.flops,
            op.source,
        )
        for op in group
    )
    return Node(
        name,
        NodeKind.NEURON,
        _specs(module, taken, where),
        _specs(module, given, where),
        core,
        instructions,
        parameters,
        narrow_buffers(module, group, _specs(module, kept, where), precision),
        size_bytes,
    )


def _lay_out(module: Module, group: list[Op], precision: Precision) -> tuple[tuple[Parameter, ...], int]:
    """Return offsets and types of the constants of a group, and their total size."""
    names = dict.fromkeys(n for op in group for n in op.inputs if n in module.constants)
    matrix_only = set(names) - {n for op in group for n in vector_inputs(op)}
    # The scales of quantised numbers are part of their meaning, not weights.
    exact = {n for op in group if op.opcode in SCALING for n in op.inputs}
    parameters, end = [], 0
    for name in names:
        value = module.constants[name]
        kept = DType(value.dtype.name)
        dtype = kept if name in exact else constant_dtype(value, name in matrix_only, precision)
        spec = TensorSpec(name, dtype, tuple(value.shape))
        offset = end + -end % ALIGNMENT_BYTES
        parameters.append(Parameter(spec, offset))
        end = offset + spec.size_bytes
    return tuple(parameters), end


def parameter_bytes(module: Module, node: Node) -> memoryview:
    """Return the constants of a Neuron node at their offsets, in one buffer and without further copies."""
    blob = memoryview(bytearray(node.params_bytes))
    for parameter in node.parameters:
        spec, value = parameter.spec, module.constants[parameter.spec.name]
        place = np.frombuffer(blob, numpy_type(spec.dtype), spec.element_count, parameter.offset_bytes)
        place.reshape(spec.shape)[...] = bounded(value, spec.dtype)
    return blob.toreadonly()


def cpu_node(
    module: Module, name: str, group: list[Op], wanted: set[str], model: ModelProto, where: str
) -> tuple[Node, bytes]:
    """Make a CPU node, and its operators as an ONNX model.

    Raises:
        ModelFileError: no evaluator can run an operator.
        UnknownSpecError: an input or output of the node has an unknown type.
    """
    import onnx

    taken, given, _ = _borders(module, group, wanted)
    constants = dict.fromkeys(n for op in group for n in op.inputs if n in module.constants)
    nodes = [op.node for op in group if op.node is not None]

    def info(value: str) -> onnx.ValueInfoProto:
        spec = spec_of(module, value, where)
        elem_type = onnx.helper.np_dtype_to_tensor_dtype(numpy_type(spec.dtype))
        return onnx.helper.make_tensor_value_info(
            value, elem_type, [None] * len(spec.shape) if spec.at_most else spec.shape
        )

    graph = onnx.helper.make_graph(
        nodes,
        name,
        [info(n) for n in taken],
        [info(n) for n in given],
        [onnx.numpy_helper.from_array(np.asarray(module.constants[n], order="C"), n) for n in constants],
    )
    submodel = host_model(graph, model)
    node = Node(name, NodeKind.CPU, _specs(module, taken, where), _specs(module, given, where))
    check_runs(node, group, submodel, where)
    return node, submodel.SerializeToString(deterministic=True)
