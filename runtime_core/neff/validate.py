"""Whether a graph makes sense, before anything relies on it."""

from __future__ import annotations

from collections.abc import Iterable

from runtime_core.neff.graph import Graph, Node, NodeKind, TensorSpec
from runtime_core.status import NeffError, NrtStatus

MAX_DIMENSIONS = 32
MAX_TENSOR_BYTES = 1 << 40
MAX_CORES = 64


def _bad(message: str) -> NeffError:
    return NeffError(NrtStatus.INVALID, f"the NEFF's graph is malformed: {message}")


def _check_specs(specs: Iterable[TensorSpec], where: str) -> dict[str, TensorSpec]:
    found: dict[str, TensorSpec] = {}
    for spec in specs:
        if not spec.name or spec.name in found:
            raise _bad(f"{where} declares tensor {spec.name!r} twice or without a name")
        if len(spec.shape) > MAX_DIMENSIONS or any(extent < 0 for extent in spec.shape):
            raise _bad(f"tensor {spec.name!r} of {where} has the shape {list(spec.shape)}")
        if spec.size_bytes > MAX_TENSOR_BYTES:
            raise _bad(f"tensor {spec.name!r} of {where} has {spec.size_bytes} bytes")
        found[spec.name] = spec
    return found


def _check_parameters(node: Node) -> None:
    end = 0
    for parameter in node.parameters:
        spec = parameter.spec
        if parameter.offset_bytes < end:
            raise _bad(f"parameter {spec.name!r} of {node.name!r} overlaps the one before it")
        end = parameter.offset_bytes + spec.size_bytes
        if end > node.params_bytes:
            raise _bad(
                f"parameter {spec.name!r} of {node.name!r} with the shape {list(spec.shape)} ends at byte {end}, "
                f"the node has {node.params_bytes}"
            )


def _check_instructions(node: Node) -> None:
    inputs = _check_specs(node.inputs, f"inputs of {node.name!r}")
    outputs = _check_specs(node.outputs, f"outputs of {node.name!r}")
    buffers = _check_specs(node.buffers, f"buffers of {node.name!r}")
    constants = _check_specs((p.spec for p in node.parameters), f"parameters of {node.name!r}")
    writable = {**outputs, **buffers}
    known = {*inputs, *constants}
    if len(inputs) + len(constants) + len(buffers) != len({*inputs, *constants, *buffers}):
        raise _bad(f"{node.name!r} uses one name for an input, a parameter and a buffer")
    for instruction in node.instructions:
        if instruction.flops < 0:
            raise _bad(f"instruction {instruction.opcode!r} of {node.name!r} has negative FLOPs")
        for name in instruction.inputs:
            if name and name not in known:
                raise _bad(f"instruction {instruction.opcode!r} of {node.name!r} reads {name!r} before it is written")
        for name in instruction.outputs:
            if name and name not in writable:
                raise _bad(
                    f"instruction {instruction.opcode!r} of {node.name!r} writes {name!r}, which is not declared"
                )
        known.update(name for name in instruction.outputs if name)
    missing = outputs.keys() - known
    if node.kind is NodeKind.NEURON and missing:
        raise _bad(f"nothing in {node.name!r} writes its output {min(missing)!r}")


def check_graph(graph: Graph) -> None:
    """Check names, edges, shapes, parameters and placement.

    Raises:
        NeffError: INVALID, naming the node and tensor that do not fit.
    """
    if not 1 <= graph.core_count <= MAX_CORES:
        raise _bad(f"it asks for {graph.core_count} NeuronCores, 1 to {MAX_CORES} are possible")
    if not graph.nodes:
        raise _bad("it has no nodes")
    if graph.batch < 0:
        raise _bad(f"it has the batch {graph.batch}")
    made = _check_specs(graph.inputs, "the model's inputs")
    makers = {spec.name: node.name for node in graph.nodes for spec in node.outputs}
    names: set[str] = set()
    for node in graph.nodes:
        if not node.name or node.name in names:
            raise _bad(f"two nodes are called {node.name!r}")
        names.add(node.name)
        if not 0 <= node.core < graph.core_count:
            raise _bad(f"node {node.name!r} is on core {node.core} of {graph.core_count}")
        for spec in node.inputs:
            source = made.get(spec.name)
            if source is None:
                why = "makes it only later: a cycle" if spec.name in makers else "makes it"
                who = makers.get(spec.name, "nothing")
                raise _bad(f"node {node.name!r} needs {spec.name!r}, and {who!r} {why}")
            if (source.dtype, source.shape) != (spec.dtype, spec.shape):
                raise _bad(f"node {node.name!r} takes {spec.name!r} with another shape or type than it is made with")
        if node.params_bytes < 0:
            raise _bad(f"node {node.name!r} has {node.params_bytes} bytes of parameters")
        _check_parameters(node)
        _check_instructions(node)
        for spec in node.outputs:
            if spec.name in made:
                raise _bad(f"tensor {spec.name!r} is made twice, the second time by {node.name!r}")
            made[spec.name] = spec
    for spec in _check_specs(graph.outputs, "the model's outputs").values():
        source = made.get(spec.name)
        if source is None or (source.dtype, source.shape) != (spec.dtype, spec.shape):
            raise _bad(f"no node makes the model's output {spec.name!r} with its shape and type")
