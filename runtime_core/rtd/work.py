"""The work of each engine of a NeuronCore per execution, for the cycle and instruction counters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from runtime_core.engine.execution import LoadedModel
from runtime_core.engine.timing.model import instruction_seconds
from runtime_core.neff.graph import EngineKind, NodeKind

_MATRIX_OPCODES = ("conv", "matmul", "gemm", "einsum")


class CoreWork(NamedTuple):
    """One execution on one core: instructions and nanoseconds by engine, multiply-adds of the PE array."""

    pe_instructions: int = 0
    pe_matmul_instructions: int = 0
    pool_instructions: int = 0
    act_instructions: int = 0
    pe_ns: int = 0
    pe_matmul_ns: int = 0
    pool_ns: int = 0
    act_ns: int = 0
    macs: int = 0

    def plus(self, other: CoreWork, times: int = 1) -> CoreWork:
        """The sum of this and ``times`` times ``other``."""
        return CoreWork(*(a + b * times for a, b in zip(self, other, strict=True)))


def work_by_core(model: LoadedModel) -> Mapping[int, CoreWork]:
    """Global core -> the work of one execution of the model there."""
    work: dict[int, CoreWork] = {}
    for node in model.graph.nodes:
        if node.kind is not NodeKind.NEURON:
            continue
        core = model.cores[node.core]
        total = work.get(core, CoreWork())
        for instruction, seconds in zip(node.instructions, instruction_seconds(node), strict=True):
            time_ns = round(seconds * 1e9)
            match instruction.engine:
                case EngineKind.PE:
                    is_matrix = instruction.opcode.startswith(_MATRIX_OPCODES)
                    total = total.plus(
                        CoreWork(
                            pe_instructions=1,
                            pe_matmul_instructions=int(is_matrix),
                            pe_ns=time_ns,
                            pe_matmul_ns=time_ns * is_matrix,
                            macs=instruction.flops // 2,
                        )
                    )
                case EngineKind.POOL:
                    total = total.plus(CoreWork(pool_instructions=1, pool_ns=time_ns))
                case EngineKind.ACT:
                    total = total.plus(CoreWork(act_instructions=1, act_ns=time_ns))
                case EngineKind.DMA:
                    pass
        work[core] = total
    return work
