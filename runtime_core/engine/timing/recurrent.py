"""The time of recurrent instructions: each step is a product followed by element-wise operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from runtime_core.engine.timing.parameters import TimingParameters
from runtime_core.engine.timing.tiles import pe_seconds
from runtime_core.neff.graph import EngineKind, Instruction, TensorSpec

_STATE, _WEIGHT, _SHARES = "state", "weight", "shares"
_FUNCTIONS = {"lstm": 5, "gru": 3, "rnn": 1}
"""Sigmoids and hyperbolic tangents per step, on ACT; see ``engine/numerics/recurrent.py``."""
_ARITHMETIC = {"lstm": 4, "gru": 7, "rnn": 1}
"""Additions and products per step on POOL, except those over all gates at once."""


class Steps(NamedTuple):
    """The work of a recurrent instruction.

    Attributes:
        number: number of steps.
        products: matrix instructions of each step, with their specs.
        act_instructions, act_flops: work of each step on ACT.
        pool_instructions, pool_flops: work of each step on POOL.
    """

    number: int
    products: tuple[tuple[Instruction, Mapping[str, TensorSpec]], ...]
    act_instructions: int
    act_flops: int
    pool_instructions: int
    pool_flops: int

    @property
    def instructions(self) -> int:
        """Number of instructions of all steps on all engines."""
        return self.number * (len(self.products) + self.act_instructions + self.pool_instructions)


def steps_of(instruction: Instruction, specs: Mapping[str, TensorSpec]) -> Steps | None:
    """Return the steps of an ``lstm``, ``gru`` or ``rnn``; ``None`` for other instructions or malformed operands.

    Args:
        instruction: an instruction of any kind.
        specs: specs of its operands.
    """
    opcode = instruction.opcode
    if opcode not in _FUNCTIONS:
        return None
    names = [*instruction.inputs, "", "", "", ""][:4]
    if any(name not in specs or len(specs[name].shape) != rank for name, rank in zip(names, (3, 2, 3), strict=False)):
        return None
    number, batch, width = specs[names[2]].shape
    hidden = specs[names[1]].shape[0]
    # A GRU that resets before its product needs the other gates first, so it has two products.
    before = opcode == "gru" and not instruction.attributes.get("reset_after")
    parts = [2 * hidden, hidden] if before else [width]
    # A rectifier is part of the addition before it.
    functions = 0 if instruction.attributes.get("activation") == "relu" else _FUNCTIONS[opcode]
    # An LSTM adds the input's contribution to all gates at once.
    wide = int(opcode == "lstm")
    biases = len(parts) if names[3] else 0
    return Steps(
        number,
        tuple(_product(instruction, specs, batch, hidden, part) for part in parts),
        functions,
        functions * batch * hidden,
        _ARITHMETIC[opcode] + wide + biases,
        batch * (_ARITHMETIC[opcode] * hidden + width * (wide + bool(biases))),
    )


def _product(
    instruction: Instruction, specs: Mapping[str, TensorSpec], batch: int, hidden: int, part: int
) -> tuple[Instruction, Mapping[str, TensorSpec]]:
    state, weight = (specs[name] for name in instruction.inputs[:2])
    shapes = {
        _STATE: TensorSpec(_STATE, state.dtype, (1, batch, hidden)),
        _WEIGHT: TensorSpec(_WEIGHT, weight.dtype, (hidden, part)),
        _SHARES: TensorSpec(_SHARES, state.dtype, (1, batch, part)),
    }
    cast = instruction.attributes.get("cast")
    matmul = Instruction(
        EngineKind.PE,
        "matmul",
        (_STATE, _WEIGHT),
        (_SHARES,),
        {} if cast is None else {"cast": cast},
        2 * batch * hidden * part,
    )
    return matmul, shapes


def engine_seconds(steps: Steps, parameters: TimingParameters) -> dict[EngineKind, float]:
    """Return the time of all steps on each engine, without the overhead of starting instructions."""
    products = sum(pe_seconds(matmul, specs, parameters) for matmul, specs in steps.products)
    rate = parameters.vector_flops_per_second
    return {
        EngineKind.PE: steps.number * products,
        EngineKind.ACT: steps.number * steps.act_flops / rate,
        EngineKind.POOL: steps.number * steps.pool_flops / rate,
    }
