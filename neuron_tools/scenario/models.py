"""Models of a scenario: read from files, or generated."""

from __future__ import annotations

import hashlib
from pathlib import Path

from neuron_tools.scenario.schema import ModelSpec
from runtime_core.engine.timing import model as timing
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.neff.reader import read_neff

_TENSOR_BYTES = 4096
_ROUNDS = 8


def make_model(name: str, spec: ModelSpec, folder: Path) -> Neff:
    """Return the model that ``spec`` describes.

    Raises:
        NeuronError: its file cannot be read or compiled.
    """
    file = spec.neff or spec.onnx
    if file is not None:
        from neuron_tools.sim.load import neff_bytes

        return read_neff(neff_bytes(folder / file))
    assert spec.milliseconds is not None  # noqa: S101 - the file was checked
    return made_to_measure(name, spec.milliseconds, spec.constants_mib, spec.cores)


def made_to_measure(name: str, milliseconds: float, constants_mib: float, cores: int = 1) -> Neff:
    """Return a pipeline with one node per core, each with the requested time and size; its results have no meaning.

    An execution takes longer than requested if the overhead of a node, or reading its parameters, takes longer.

    Args:
        name: name of the model.
        milliseconds: time on each core.
        constants_mib: parameters on each core, in MiB.
        cores: number of cores.
    """
    constants = TensorSpec("w", DType.INT8, (max(1, round(constants_mib * 2**20)),))
    wanted_ns = milliseconds * 1e6
    flops = 0
    # The time is linear in the FLOPs once they dominate.
    step = 10**9
    for _ in range(_ROUNDS):
        here = timing.time_node(_node(0, constants, flops)).duration_ns[0]
        slope = (timing.time_node(_node(0, constants, flops + step)).duration_ns[0] - here) / step
        if slope <= 0:
            step *= 10
            continue
        if abs(wanted_ns - here) < 0.001 * wanted_ns:
            break
        flops = max(0, round(flops + (wanted_ns - here) / slope))
    nodes = tuple(_node(i, constants, flops) for i in range(cores))
    graph = Graph(name, nodes[0].inputs, nodes[-1].outputs, nodes, core_count=cores)
    # Without numerics the parameters are not read, so they are omitted.
    return Neff(graph, uuid=hashlib.sha256(f"{name} {milliseconds} {constants_mib} {cores}".encode()).hexdigest()[:32])


def _node(index: int, constants: TensorSpec, flops: int) -> Node:
    source, target = (TensorSpec(f"t{index + i}", DType.FLOAT32, (_TENSOR_BYTES // 4,)) for i in range(2))
    work = Instruction(EngineKind.PE, "matmul", (source.name, "w"), (target.name,), {}, flops)
    return Node(
        f"stage{index}", NodeKind.NEURON, (source,), (target,), index, (work,), (Parameter(constants, 0),), (),
        constants.size_bytes,
    )  # fmt: skip
