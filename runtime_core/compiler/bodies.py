"""Operators that contain graphs (bodies): If, Loop, Scan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


def every_node(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Yield the operators, and those in their bodies, at any depth."""
    for node in nodes:
        yield node
        for body in bodies_of(node):
            yield from every_node(body.node)


def bodies_of(node: NodeProto) -> list[GraphProto]:
    """Return the graphs among an operator's attributes."""
    return [body for a in node.attribute for body in (*a.graphs, *([a.g] if a.HasField("g") else []))]


def has_bodies(node: NodeProto) -> bool:
    """Return whether the operator has bodies."""
    return bool(bodies_of(node))


def reads(node: NodeProto) -> list[str]:
    """Return the names that an operator reads, each once: its inputs, and outer names that its bodies read."""
    return list(dict.fromkeys(n for n in (*node.input, *outer_reads(node)) if n))


def outer_reads(node: NodeProto) -> list[str]:
    """Return the outer names that the bodies of an If, Loop or Scan read."""
    reads: list[str] = []
    for body in bodies_of(node):
        own = {i.name for i in body.input} | {t.name for t in body.initializer}
        own.update(s.values.name for s in body.sparse_initializer)
        own.update(name for inner in body.node for name in inner.output)
        inside = [n for inner in body.node for n in (*inner.input, *outer_reads(inner))]
        reads += [n for n in (*inside, *(o.name for o in body.output)) if n and n not in own]
    return reads
