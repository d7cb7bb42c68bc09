"""Generated models of any duration and shape."""

from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff


def make_neff(params_mib=4, cores=1, flops=10**9, name="m"):
    """A chain of Neuron nodes, one per core, each with ``params_mib`` MiB of parameters."""
    specs = [TensorSpec(f"t{i}", DType.FLOAT32, (1, 256)) for i in range(cores + 1)]
    nodes = []
    for core in range(cores):
        weights = Parameter(TensorSpec(f"w{core}", DType.BFLOAT16, (params_mib << 19,)), 0)
        reads, writes = (f"t{core}", f"w{core}"), (f"t{core + 1}",)
        step = Instruction(EngineKind.PE, "matmul", reads, writes, {"cast": "bfloat16"}, flops)
        nodes.append(
            Node(f"n{core}", NodeKind.NEURON, (specs[core],), (specs[core + 1],), core, (step,), (weights,),
                 (), params_mib << 20)
        )  # fmt: skip
    return Neff(Graph(name, (specs[0],), (specs[-1],), tuple(nodes), core_count=cores), uuid="ab" * 16)
