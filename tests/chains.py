"""Small generated networks: a chain of square matrices, one stage per NeuronCore."""

import numpy as np

from runtime_core.engine.timing.parameters import CORE_SINGLE_FLOPS
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.neff.writer import encode_neff


def chain(stages=1, *, stage_seconds=0.0, rows=2, columns=3, seed=0, name="chain", identity=False, dynamic_batch=False):
    """The NEFF of x @ w0 @ w1 …: stage i on core i, with the given durations.

    ``identity``: stages only copy, so that large tensors need no arithmetic. ``dynamic_batch``: any number of rows.
    """
    rng = np.random.default_rng(seed)
    shape = (rows, columns)
    flops = int(CORE_SINGLE_FLOPS * stage_seconds)
    names = ["x", *(f"t{i}" for i in range(1, stages)), "y"]
    specs = [TensorSpec(n, DType.FLOAT32, shape) for n in names]
    nodes, params = [], {}
    for i in range(stages):
        node, source, target = f"stage{i}", specs[i], specs[i + 1]
        if identity:
            step = Instruction(EngineKind.DMA, "copy", (source.name,), (target.name,))
            nodes.append(Node(node, NodeKind.NEURON, (source,), (target,), i, (step,)))
            continue
        weight = Parameter(TensorSpec(f"w{i}", DType.FLOAT32, (columns, columns)), 0)
        step = Instruction(EngineKind.PE, "matmul", (source.name, f"w{i}"), (target.name,), {}, flops)
        size = columns * columns * 4
        nodes.append(Node(node, NodeKind.NEURON, (source,), (target,), i, (step,), (weight,), (), size))
        params[node] = rng.standard_normal((columns, columns), np.float32).tobytes()
    batch = rows if dynamic_batch else 0
    graph = Graph(
        name, (specs[0],), (specs[-1],), tuple(nodes), core_count=stages, batch=batch, dynamic_batch=dynamic_batch
    )
    return encode_neff(Neff(graph, params))


def chain_input(rows=2, columns=3, seed=0):
    return np.random.default_rng(1000 + seed).standard_normal((rows, columns), np.float32)
