"""The work of each engine of a NeuronCore per execution, for the cycle and instruction counters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from runtime_core.engine.execution import LoadedModel
from runtime_core.engine.timing.model import instruction_seconds
from runtime_core.engine.timing.parameters import PARAMETERS
from runtime_core.engine.timing.recurrent import Steps, engine_seconds, steps_of
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
        specs = {t.name: t for t in (*node.inputs, *node.outputs, *node.buffers, *(p.spec for p in node.parameters))}
        for instruction, seconds in zip(node.instructions, instruction_seconds(node), strict=True):
            time_ns = round(seconds * 1e9)
            steps = steps_of(instruction, specs)
            if steps is not None:
                total = total.plus(_recurrent(steps, time_ns))
                continue
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


def _recurrent(steps: Steps, time_ns: int) -> CoreWork:
    """The work of all steps. Time that is not PE's or ACT's counts as POOL's, including waits for DRAM."""
    seconds = engine_seconds(steps, PARAMETERS)
    start = PARAMETERS.instruction_overhead_seconds
    products, functions = steps.number * len(steps.products), steps.number * steps.act_instructions
    pe_ns = round((seconds[EngineKind.PE] + products * start) * 1e9)
    act_ns = round((seconds[EngineKind.ACT] + functions * start) * 1e9)
    return CoreWork(
        pe_instructions=products,
        pe_matmul_instructions=products,
        pool_instructions=steps.number * steps.pool_instructions,
        act_instructions=functions,
        pe_ns=pe_ns,
        pe_matmul_ns=pe_ns,
        pool_ns=max(0, time_ns - pe_ns - act_ns),
        act_ns=act_ns,
        macs=steps.number * sum(matmul.flops // 2 for matmul, _ in steps.products),
    )
