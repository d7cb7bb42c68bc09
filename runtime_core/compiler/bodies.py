"""Operators with bodies of their own: If, Loop, Scan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import NodeProto


def every_node(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """The operators, and those in their bodies, at any depth."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for body in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from every_node(body.node)


def has_bodies(node: NodeProto) -> bool:
    """Whether the operator holds bodies."""
    return any(a.HasField("g") or a.graphs for a in node.attribute)


def reads(node: NodeProto) -> list[str]:
    """Everything that an operator reads, each name once: its inputs, and what its bodies read from around them."""
    return list(dict.fromkeys(n for n in (*node.input, *outer_reads(node)) if n))


def outer_reads(node: NodeProto) -> list[str]:
    """Names that the bodies of an If, Loop or Scan read from around them."""
    reads: list[str] = []
    for attribute in node.attribute:
        for body in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
            own = {i.name for i in body.input} | {i.name for i in body.initializer}
            own.update(name for inner in body.node for name in inner.output)
            inside = [n for inner in body.node for n in (*inner.input, *outer_reads(inner))]
            reads += [n for n in (*inside, *(o.name for o in body.output)) if n and n not in own]
    return reads
