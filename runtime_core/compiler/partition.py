"""Group operations into nodes: few large Neuron nodes, and CPU nodes for the rest."""

from __future__ import annotations

from collections import deque

from runtime_core.compiler.ir import Module, Op
from runtime_core.neff.graph import NodeKind


def kind_of(op: Op) -> NodeKind:
    """Return the kind of node that runs an operation."""
    return NodeKind.CPU if op.node is not None else NodeKind.NEURON


def partition(module: Module) -> list[tuple[NodeKind, list[Op]]]:
    """Group the operations into nodes, in an order in which they can run.

    Of the operations that are ready, those of the current kind come first. Therefore a node ends only when no operation
    of its kind is ready.
    """
    makers = {name: op_index for op_index, op in enumerate(module.ops) for name in op.outputs}
    waiting = {index: {makers[name] for name in op.inputs if name in makers} for index, op in enumerate(module.ops)}
    readers: dict[int, list[int]] = {}
    for index, needed in waiting.items():
        for source in needed:
            readers.setdefault(source, []).append(index)
    ready: dict[NodeKind, deque[int]] = {NodeKind.NEURON: deque(), NodeKind.CPU: deque()}
    for index, needed in waiting.items():
        if not needed:
            ready[kind_of(module.ops[index])].append(index)
    groups: list[tuple[NodeKind, list[Op]]] = []
    kind = NodeKind.NEURON if ready[NodeKind.NEURON] else NodeKind.CPU
    while ready[NodeKind.NEURON] or ready[NodeKind.CPU]:
        group: list[int] = []
        queue = ready[kind]
        while queue:
            index = queue.popleft()
            group.append(index)
            for reader in readers.get(index, []):
                waiting[reader].discard(index)
                if not waiting[reader]:
                    ready[kind_of(module.ops[reader])].append(reader)
        if group:
            # Within a group, the order of the model is valid and keeps few values in memory at a time.
            groups.append((kind, [module.ops[i] for i in sorted(group)]))
        kind = NodeKind.CPU if kind is NodeKind.NEURON else NodeKind.NEURON
    return groups
