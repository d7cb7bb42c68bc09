"""ONNX models under an older operator set in which their operators mean the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto
    from onnx.defs import OpSchema


def older_models(model: ModelProto) -> Iterator[ModelProto]:
    """The model under each older default operator set in which all of its operators mean the same, newest first.

    New versions of an operator often only add element types. An evaluator may have the older version alone.
    """
    version = next((o.version for o in model.opset_import if not o.domain), 0)
    names = {node.op_type for node in _every_node(model.graph) if not node.domain}
    if not version or model.functions:
        return
    for older in range(version - 1, max((oldest_equal(name, version) for name in names), default=version) - 1, -1):
        if any(since(name, older + 1) == older + 1 for name in names):
            copy = type(model)()
            copy.CopyFrom(model)
            for entry in copy.opset_import:
                if not entry.domain:
                    entry.version = older
            yield copy


@cache
def oldest_equal(name: str, version: int) -> int:
    """The first version of an operator of the default domain that means what it means in operator set ``version``.

    Versions are equal where the specification's text, attributes, inputs and outputs are: they differ in types alone.
    """
    from onnx import defs

    if not defs.has(name, version):
        return version
    schema = defs.get_schema(name, version)
    while schema.since_version > 1 and defs.has(name, schema.since_version - 1):
        before = defs.get_schema(name, schema.since_version - 1)
        if _meaning(before) != _meaning(schema):
            break
        schema = before
    return int(schema.since_version)


@cache
def since(name: str, version: int) -> int:
    """The operator set that introduced the version of an operator that ``version`` has; 0 for none."""
    from onnx import defs

    return int(defs.get_schema(name, version).since_version) if defs.has(name, version) else 0


def _meaning(schema: OpSchema) -> object:
    attributes = sorted(
        (name, a.required, a.default_value.SerializeToString()) for name, a in schema.attributes.items()
    )
    ends = [[(p.name, str(p.option), p.min_arity) for p in end] for end in (schema.inputs, schema.outputs)]
    return schema.doc, attributes, ends


def _every_node(graph: GraphProto) -> Iterator[NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            bodies: Iterable[GraphProto] = (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else []))
            for body in bodies:
                yield from _every_node(body)
