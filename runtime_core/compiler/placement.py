"""Assign instructions to cores: the cut with the fastest slowest part, on as many chips as the memory requires."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from runtime_core.compiler.emit import describe_node, outside_uses
from runtime_core.compiler.ir import Module, Op
from runtime_core.compiler.options import Precision
from runtime_core.compiler.partition import partition
from runtime_core.compiler.pipeline import fastest_cut
from runtime_core.engine.footprint import footprints
from runtime_core.engine.timing.model import dram_transfer_ns, instruction_seconds, streamed_bytes, time_node
from runtime_core.errors import ModelFileError
from runtime_core.instance import CORES_PER_DEVICE, DEVICE_MEMORY_BYTES, MAX_CORES
from runtime_core.neff.graph import Graph, NodeKind
from runtime_core.topology import device_of_core


class Run(NamedTuple):
    """The operations of a node, and its core (0 for a CPU node)."""

    kind: NodeKind
    core: int
    ops: list[Op]


def place(
    module: Module, cores: int, precision: Precision, where: str, device_bytes: int = DEVICE_MEMORY_BYTES
) -> list[Run]:
    """Place the module's operations on ``cores`` cores, or on more if they do not fit in the memory of the chips.

    Args:
        module: a lowered module.
        cores: requested number of NeuronCores.
        precision: how numbers are stored, which determines sizes and times.
        where: the model's file or name, for messages.
        device_bytes: memory of a chip.

    Raises:
        ModelFileError: the model does not fit on the largest node.
    """
    groups = partition(module)
    runs = _cut(module, groups, cores, precision, where)
    if _surely_fits(module, device_bytes):
        return runs
    while not _fits(module, runs, precision, where, device_bytes):
        # Add whole chips, because a part of a chip would leave some of its memory unused.
        cores = (cores // CORES_PER_DEVICE + 1) * CORES_PER_DEVICE
        if cores > MAX_CORES:
            raise ModelFileError(
                f"{where} needs more than the {device_bytes} bytes of a Neuron Device in one of its "
                f"parts, spread over {MAX_CORES} NeuronCores",
                mend="use a smaller batch or 16-bit weights",
            )
        runs = _cut(module, groups, cores, precision, where)
    return runs


def _surely_fits(module: Module, device_bytes: int) -> bool:
    """Estimate the memory as the sum of all values, regardless of their lifetimes."""
    constants = sum(v.nbytes for v in module.constants.values())
    return 2 * (constants + sum(s.size_bytes for s in module.specs.values())) < device_bytes


def _fits(module: Module, runs: list[Run], precision: Precision, where: str, device_bytes: int) -> bool:
    wanted = outside_uses(module, [run.ops for run in runs])
    nodes = tuple(
        describe_node(module, f"part{index}", run.ops, needed, precision, run.core, where)
        for index, (run, needed) in enumerate(zip(runs, wanted, strict=True))
        if run.kind is NodeKind.NEURON
    )
    core_count = max((run.core for run in runs), default=0) + 1
    taken: dict[int, int] = {}
    for part in footprints(Graph("placed", (), (), nodes, core_count), tuple(range(core_count))):
        device = device_of_core(part.core)
        taken[device] = taken.get(device, 0) + part.dram_bytes
    return max(taken.values(), default=0) <= device_bytes


def _cut(
    module: Module, groups: list[tuple[NodeKind, list[Op]]], cores: int, precision: Precision, where: str
) -> list[Run]:
    runs: list[Run] = []
    for kind, group in groups:
        if kind is NodeKind.NEURON:
            parts = _split_over_cores(module, group, cores, precision, where)
            runs += [Run(kind, core, part) for core, part in enumerate(parts)]
        else:
            runs.append(Run(kind, 0, group))
    return runs


def _split_over_cores(module: Module, group: list[Op], cores: int, precision: Precision, where: str) -> list[list[Op]]:
    """Cut a group into up to ``cores`` runs of instructions such that the slowest run is as fast as possible."""
    if cores <= 1 or len(group) <= 1:
        return [group]
    whole = describe_node(module, "whole", group, set(module.outputs), precision, 0, where)
    seconds = instruction_seconds(whole, streamed_bytes(whole) // cores)
    active = min(cores, CORES_PER_DEVICE)
    crossing = [dram_transfer_ns(size_bytes, active) / 1e9 for size_bytes in _crossing_bytes(module, group)]

    def slowest(sizes: Sequence[int]) -> float:
        runs = [group[end - size : end] for size, end in zip(sizes, accumulate(sizes), strict=True)]
        needed = outside_uses(module, [*runs, rest])
        parts = zip(runs, needed, strict=False)
        nodes = (describe_node(module, "part", run, uses, precision, 0, where) for run, uses in parts)
        active = min(len(sizes), CORES_PER_DEVICE)
        return max(time_node(node).duration_ns[active - 1] for node in nodes) / 1e9

    inside = set(map(id, group))
    rest = [op for op in module.ops if id(op) not in inside]
    sizes = fastest_cut(seconds, cores, crossing, slowest)
    return [group[end - size : end] for size, end in zip(sizes, accumulate(sizes), strict=True)]


def _crossing_bytes(module: Module, group: list[Op]) -> list[int]:
    """Return, for a cut before each operation, the values that pass between cores: written before it, read after it."""
    last_use = {name: position for position, op in enumerate(group) for name in op.inputs}
    changes = [0] * (len(group) + 1)
    for position, op in enumerate(group):
        for name in op.outputs:
            spec = module.specs.get(name)
            if spec is not None and last_use.get(name, position) > position:
                changes[position + 1] += spec.size_bytes
                changes[last_use[name] + 1] -= spec.size_bytes
    return list(accumulate(changes))[: len(group)]
