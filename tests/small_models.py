"""Generated models with a given duration, size and number of cores."""

import numpy as np

from runtime_core.engine.timing.parameters import CORE_SINGLE_FLOPS
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.neff.writer import encode_neff


def small_neff(*, seconds=0.0, weights=1, width=64, cores=1, name="small"):
    """x @ w, ``weights`` times, on the last of ``cores`` cores after a copy on the first; ``seconds`` of computing.

    Each weight is ``width`` x ``width``; with more than 24 MiB in total they do not fit on the chip.
    """
    x, y, middle = (TensorSpec(n, DType.FLOAT32, (1, width)) for n in ("x", "y", "t"))
    copy = Node("a", NodeKind.NEURON, (x,), (middle,), 0, (Instruction(EngineKind.DMA, "copy", ("x",), ("t",)),))
    weight = np.eye(width, dtype=np.float32).tobytes()
    buffers = tuple(TensorSpec(f"b{i}", DType.FLOAT32, x.shape) for i in range(weights - 1))
    names = ["t", *(b.name for b in buffers), "y"]
    flops = int(CORE_SINGLE_FLOPS * seconds / weights)
    product = Node(
        "b", NodeKind.NEURON, (middle,), (y,), cores - 1,
        tuple(
            Instruction(EngineKind.PE, "matmul", (names[i], f"w{i}"), (names[i + 1],), {}, flops)
            for i in range(weights)
        ),
        tuple(
            Parameter(TensorSpec(f"w{i}", DType.FLOAT32, (width, width)), i * len(weight)) for i in range(weights)
        ),
        buffers, len(weight) * weights,
    )  # fmt: skip
    graph = Graph(name, (x,), (y,), (copy, product), core_count=cores)
    return encode_neff(Neff(graph, {"b": weight * weights}))
