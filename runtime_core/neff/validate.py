"""Validates a graph before anything relies on it."""

from __future__ import annotations

import string
from collections.abc import Iterable

from runtime_core.neff.graph import AttributeValue, Graph, Node, NodeKind, TensorSpec
from runtime_core.neff.header import MAX_LISTED_NODES, Header
from runtime_core.status import NeffError, NrtStatus

MAX_DIMENSIONS = 32
MAX_TENSOR_BYTES = 1 << 40
MAX_CORES = 64
MAX_INTEGER = (1 << 63) - 1
_MAX_MESSAGE = 300


def _bad(message: str) -> NeffError:
    shown = message if len(message) <= _MAX_MESSAGE else f"{message[:_MAX_MESSAGE]}…"
    return NeffError(NrtStatus.INVALID, f"the NEFF's graph is malformed: {shown}")


def _fits(value: int) -> bool:
    """Whether an integer fits the chip; JSON integers may have thousands of digits."""
    return -MAX_INTEGER <= value <= MAX_INTEGER


def _shown(value: int) -> str:
    # Python refuses to print integers of more than 4300 digits.
    return str(value) if _fits(value) else "impossibly many"


def _check_specs(specs: Iterable[TensorSpec], where: str) -> dict[str, TensorSpec]:
    found: dict[str, TensorSpec] = {}
    for spec in specs:
        if not spec.name:
            raise _bad(f"a tensor of {where} has no name")
        if spec.name in found:
            raise _bad(f"tensor {spec.name!r} appears twice in {where}")
        if len(spec.shape) > MAX_DIMENSIONS:
            raise _bad(
                f"tensor {spec.name!r} of {where} has {len(spec.shape)} dimensions, at most {MAX_DIMENSIONS} allowed"
            )
        if any(not 0 <= extent <= MAX_TENSOR_BYTES for extent in spec.shape):
            raise _bad(f"tensor {spec.name!r} of {where} has a negative or impossibly large dimension")
        if spec.size_bytes > MAX_TENSOR_BYTES:
            raise _bad(
                f"tensor {spec.name!r} of {where} has {spec.size_bytes} bytes, at most {MAX_TENSOR_BYTES} are allowed"
            )
        found[spec.name] = spec
    return found


def _differ(made: TensorSpec, taken: TensorSpec) -> bool:
    return (made.dtype, made.shape, made.at_most) != (taken.dtype, taken.shape, taken.at_most)


def _check_parameters(node: Node) -> None:
    end = 0
    for parameter in node.parameters:
        spec = parameter.spec
        if not _fits(parameter.offset_bytes):
            raise _bad(f"parameter {spec.name!r} of {node.name!r} has an invalid offset")
        if parameter.offset_bytes < end:
            raise _bad(f"parameter {spec.name!r} of {node.name!r} overlaps the one before it")
        end = parameter.offset_bytes + spec.size_bytes
        if end > node.params_bytes:
            raise _bad(
                f"parameter {spec.name!r} of {node.name!r} with the shape {list(spec.shape)} ends at byte {end}, "
                f"the node has {node.params_bytes}"
            )


def _attribute_fits(value: AttributeValue) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(not isinstance(v, int) or _fits(v) for v in values)


def _check_instructions(node: Node) -> None:
    inputs = _check_specs(node.inputs, f"inputs of {node.name!r}")
    outputs = _check_specs(node.outputs, f"outputs of {node.name!r}")
    buffers = _check_specs(node.buffers, f"buffers of {node.name!r}")
    constants = _check_specs((p.spec for p in node.parameters), f"parameters of {node.name!r}")
    writable = {**outputs, **buffers}
    known = {*inputs, *constants}
    if sum(map(len, (inputs, constants, buffers, outputs))) != len({*inputs, *constants, *buffers, *outputs}):
        raise _bad(f"{node.name!r} uses one name for two of its inputs, parameters, buffers and outputs")
    for instruction in node.instructions:
        if not 0 <= instruction.flops <= MAX_INTEGER:
            raise _bad(f"instruction {instruction.opcode!r} of {node.name!r} has negative or impossibly many FLOPs")
        if not all(map(_attribute_fits, instruction.attributes.values())):
            raise _bad(f"instruction {instruction.opcode!r} of {node.name!r} has an impossibly large attribute")
        for name in instruction.inputs:
            if name and name not in known:
                raise _bad(f"instruction {instruction.opcode!r} of {node.name!r} reads {name!r} before it is written")
        for name in instruction.outputs:
            if name and name not in writable:
                raise _bad(
                    f"instruction {instruction.opcode!r} of {node.name!r} writes {name!r}, which is not declared"
                )
        known.update(name for name in instruction.outputs if name)
    if node.kind is NodeKind.NEURON and any(s.at_most for s in (*node.inputs, *node.outputs, *node.buffers)):
        raise _bad(f"{node.name!r} handles a tensor without a fixed shape on a NeuronCore")
    missing = outputs.keys() - known
    if node.kind is NodeKind.NEURON and missing:
        raise _bad(f"nothing in {node.name!r} writes its output {min(missing)!r}")


def check_graph(graph: Graph) -> None:
    """Check names, edges, shapes, parameters and placement.

    Raises:
        NeffError: INVALID; names the node and the tensor.
    """
    if not 1 <= graph.core_count <= MAX_CORES:
        raise _bad(f"it requires {_shown(graph.core_count)} NeuronCores, expected 1 to {MAX_CORES}")
    if not graph.nodes:
        raise _bad("it has no nodes")
    if not 0 <= graph.batch <= MAX_TENSOR_BYTES:
        raise _bad("it has a negative or impossibly large batch")
    made = _check_specs(graph.inputs, "the model's inputs")
    if any(spec.at_most for spec in graph.inputs):
        raise _bad("an input of the model has no fixed shape")
    makers = {spec.name: node.name for node in graph.nodes for spec in node.outputs}
    names: set[str] = set()
    for node in graph.nodes:
        if not node.name or node.name in names:
            raise _bad(f"two nodes have the name {node.name!r}")
        names.add(node.name)
        if not 0 <= node.core < graph.core_count:
            raise _bad(f"node {node.name!r} is on core {_shown(node.core)} of {graph.core_count}")
        for spec in node.inputs:
            source = made.get(spec.name)
            if source is None:
                why = "writes it only later: a cycle" if spec.name in makers else "writes it"
                who = makers.get(spec.name, "nothing")
                raise _bad(f"node {node.name!r} needs {spec.name!r}, and {who!r} {why}")
            if _differ(source, spec):
                raise _bad(f"node {node.name!r} reads {spec.name!r} with another shape or type than it is written with")
        if not 0 <= node.params_bytes <= MAX_TENSOR_BYTES:
            raise _bad(f"node {node.name!r} has a negative or impossibly large number of bytes of parameters")
        if node.kind is NodeKind.CPU and (node.instructions or node.parameters or node.buffers or node.params_bytes):
            raise _bad(f"CPU node {node.name!r} has instructions, parameters or buffers of a NeuronCore")
        _check_parameters(node)
        _check_instructions(node)
        for spec in node.outputs:
            if spec.name in made:
                raise _bad(f"tensor {spec.name!r} is written twice, the second time by {node.name!r}")
            made[spec.name] = spec
    for spec in _check_specs(graph.outputs, "the model's outputs").values():
        source = made.get(spec.name)
        if source is None or _differ(source, spec):
            raise _bad(f"no node writes the model's output {spec.name!r} with its shape and type")


def cores_per_node(graph: Graph) -> tuple[int, ...]:
    """The header's list: one core per Neuron node, none per CPU node, for the first 64 nodes."""
    return tuple(int(node.kind is NodeKind.NEURON) for node in graph.nodes[:MAX_LISTED_NODES])


def check_header(header: Header, graph: Graph) -> None:
    """Check that the header matches the graph and has a valid identity.

    Raises:
        NeffError: INVALID; names the field.
    """
    if header.requested_core_count != graph.core_count:
        raise NeffError(
            NrtStatus.INVALID,
            f"the NEFF's header requests {header.requested_core_count} NeuronCores, its graph {graph.core_count}",
        )
    if not 1 <= header.efficient_core_count <= MAX_CORES:
        raise NeffError(
            NrtStatus.INVALID,
            f"the NEFF's header has {header.efficient_core_count} efficient NeuronCores, expected 1 to {MAX_CORES}",
        )
    listed = header.cores_per_node
    if (*listed, *[0] * (MAX_LISTED_NODES - len(listed)))[: len(graph.nodes)] != cores_per_node(graph):
        raise NeffError(NrtStatus.INVALID, "the NEFF's header and graph differ in the cores of the nodes")
    if any(listed[len(graph.nodes) :]):
        raise NeffError(NrtStatus.INVALID, "the NEFF's header lists cores for more nodes than the graph has")
    if not is_uuid(header.uuid):
        raise NeffError(NrtStatus.INVALID, "the NEFF's UUID is not 32 hex digits: the file is damaged")


def is_uuid(text: str) -> bool:
    """Whether ``text`` is a NEFF's UUID."""
    return len(text) == 32 and all(character in string.hexdigits for character in text)
