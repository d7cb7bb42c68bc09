"""Decide which values of a Neuron node are stored in 16 bits, and round its constants."""

from __future__ import annotations

from collections.abc import Iterable

import ml_dtypes
import msgspec
import numpy as np

from runtime_core.compiler.ir import Array, Module, Op
from runtime_core.compiler.options import Fp32Cast, Precision
from runtime_core.neff.graph import DType, EngineKind, TensorSpec

_LARGEST = {DType.BFLOAT16: float.fromhex("0x1.fep127"), DType.FLOAT16: 65504.0}

RECURRENT = frozenset({"lstm", "gru", "rnn"})
"""Instructions with a product and element-wise work in each step."""
SCALING = frozenset({"quantize", "dequantize", "requantize"})
"""Instructions that convert between integers and the numbers that they represent."""


def rounds_inputs(module: Module, op: Op, precision: Precision) -> bool:
    """Return whether a matrix instruction narrows its FP32 inputs."""
    fp32 = any(module.specs[n].dtype is DType.FLOAT32 for n in op.inputs[:2])
    return op.engine is EngineKind.PE and precision.cast is not Fp32Cast.NONE and fp32


def vector_inputs(op: Op) -> list[str]:
    """Return the operands that ACT and POOL read, also those for their part of a recurrent instruction."""
    if op.engine is not EngineKind.PE:
        return op.inputs
    return op.inputs[2:] if op.opcode in RECURRENT else []


def constant_dtype(value: Array, matrix_only: bool, precision: Precision) -> DType:
    """Return the stored type of a constant; ``matrix_only``: only matrix instructions read it."""
    narrow = precision.cast is Fp32Cast.ALL or (precision.cast is Fp32Cast.MATMULT and matrix_only)
    return precision.narrow if narrow and value.dtype == np.float32 else DType(value.dtype.name)


def bounded(value: Array, dtype: DType) -> Array:
    """Limit FP32 values so that they stay finite in ``dtype``; masks contain the lowest FP32 number."""
    largest = _LARGEST.get(dtype)
    if largest is None or value.dtype != np.float32 or not value.size:
        return value
    if np.max(value) <= largest and np.min(value) >= -largest:
        return value
    limited = np.clip(value, np.float32(-largest), np.float32(largest))
    return np.where(np.isfinite(value), limited, value)


def numpy_type(dtype: DType) -> np.dtype[np.generic]:
    """Return the NumPy type for constants of ``dtype``."""
    return np.dtype(ml_dtypes.bfloat16) if dtype is DType.BFLOAT16 else np.dtype(dtype.value)


def narrow_buffers(
    module: Module, group: list[Op], buffers: Iterable[TensorSpec], precision: Precision
) -> tuple[TensorSpec, ...]:
    """Return the buffers between a group's instructions, in 16 bits if fast math allows it.

    Results of engines are rounded when they are stored. Data that is only moved keeps its type.
    """
    specs = tuple(buffers)
    if not precision.fast_math:
        return specs
    narrowed: set[str] = set()
    if precision.cast is Fp32Cast.ALL:
        narrowed.update(n for op in group for n in op.inputs if n in module.constants)
    kept = {s.name for s in specs if s.dtype is DType.FLOAT32}
    for op in group:
        moved = [n for n in op.inputs if n and module.specs[n].dtype is DType.FLOAT32]
        if op.engine is not EngineKind.DMA or (moved and narrowed.issuperset(moved)):
            narrowed.update(kept.intersection(op.outputs))
    return tuple(
        msgspec.structs.replace(s, dtype=precision.narrow) if s.name in kept and s.name in narrowed else s
        for s in specs
    )
