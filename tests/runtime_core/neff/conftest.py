"""A small NEFF: one matrix product and a ReLU."""

import numpy as np
import pytest

from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff


def make_tiny_neff(rows: int = 2, columns: int = 3) -> Neff:
    weight = np.arange(columns * 4, dtype=np.float32).reshape(columns, 4)
    spec = TensorSpec("w", DType.FLOAT32, weight.shape)
    x = TensorSpec("x", DType.FLOAT32, (rows, columns))
    y = TensorSpec("y", DType.FLOAT32, (rows, 4))
    scratch = TensorSpec("t", DType.FLOAT32, (rows, 4))
    node = Node(
        "sg00",
        NodeKind.NEURON,
        (x,),
        (y,),
        instructions=(
            Instruction(EngineKind.PE, "matmul", ("x", "w"), ("t",), flops=2 * rows * columns * 4),
            Instruction(EngineKind.ACT, "relu", ("t",), ("y",), flops=rows * 4),
        ),
        parameters=(Parameter(spec, 0),),
        buffers=(scratch,),
        params_bytes=weight.nbytes,
    )
    return Neff(Graph("tiny", (x,), (y,), (node,)), {"sg00": weight.tobytes()})


@pytest.fixture
def tiny_neff() -> Neff:
    return make_tiny_neff()
