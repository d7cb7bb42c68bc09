"""Fuse instructions: affine maps into convolutions, rectifiers into the instruction before them."""

from __future__ import annotations

import numpy as np

from runtime_core.compiler.bodies import outer_reads
from runtime_core.compiler.ir import Array, Module, Op
from runtime_core.neff.graph import DType

_CAN_RECTIFY = {"conv", "gemm", "matmul", "affine", "add"}


def fuse(module: Module) -> None:
    """Rewrite ``module.ops`` in place."""
    _affine_from_arithmetic(module)
    _into_producers(module)
    _drop_copies(module)


def _per_channel(module: Module, name: str, rank: int, channels: int) -> Array | None:
    """Return a constant that varies only with the channel (axis 1) as a vector."""
    value = module.constant(name)
    if value is None or value.dtype != np.float32 or rank < 3:
        return None
    shape = (1,) * (rank - value.ndim) + value.shape
    if value.ndim > rank or any(extent != 1 for axis, extent in enumerate(shape) if axis != 1):
        return None
    if shape[1] not in (1, channels):
        return None
    return np.broadcast_to(value.reshape(-1), (channels,)).astype(np.float32)


def _affine_from_arithmetic(module: Module) -> None:
    """Convert a multiplication by, or an addition of, a vector over the channels to an affine map."""
    for op in module.ops:
        if op.opcode not in ("mul", "add") or op.node is not None:
            continue
        shape = module.shape(op.outputs[0])
        for data, other in (op.inputs, op.inputs[::-1]):
            if len(shape) < 3 or module.constant(data) is not None or module.shape(data) != shape:
                continue
            if module.specs[data].dtype is not DType.FLOAT32:
                continue
            vector = _per_channel(module, other, len(shape), shape[1])
            if vector is None:
                continue
            neutral = np.zeros_like(vector) if op.opcode == "mul" else np.ones_like(vector)
            scale, shift = (vector, neutral) if op.opcode == "mul" else (neutral, vector)
            op.opcode = "affine"
            op.inputs = [
                data,
                module.add_constant(f"{op.outputs[0]}.scale", scale),
                module.add_constant(f"{op.outputs[0]}.shift", shift),
            ]
            break


def _into_producers(module: Module) -> None:
    """Fold an affine map or a rectifier into the instruction that writes its input, if nothing else reads it."""
    uses = module.use_counts()
    maker: dict[str, Op] = {}
    kept: list[Op] = []
    for op in module.ops:
        before = maker.get(op.inputs[0]) if op.inputs else None
        alone = before is not None and uses.get(op.inputs[0]) == 1
        if before is not None and alone and _absorb(module, before, op):
            before.outputs = op.outputs
            maker[op.outputs[0]] = before
            continue
        kept.append(op)
        for name in op.outputs:
            maker[name] = op
    module.ops = kept


def _absorb(module: Module, before: Op, op: Op) -> bool:
    if before.node is not None or op.node is not None or "activation" in before.attributes:
        return False
    if op.opcode == "relu" and before.opcode in _CAN_RECTIFY:
        before.attributes["activation"] = "relu"
        return True
    if op.opcode != "affine":
        return False
    scale, shift = module.constant(op.inputs[1]), module.constant(op.inputs[2])
    if scale is None or shift is None:
        return False
    if before.opcode == "affine":
        return _compose(module, before, scale, shift)
    return before.opcode == "conv" and _scale_weights(module, before, scale, shift)


def _compose(module: Module, before: Op, scale: Array, shift: Array) -> bool:
    inner_scale, inner_shift = module.constant(before.inputs[1]), module.constant(before.inputs[2])
    if inner_scale is None or inner_shift is None:
        return False
    before.inputs[1] = module.add_constant(before.inputs[1], inner_scale * scale)
    before.inputs[2] = module.add_constant(before.inputs[2], inner_shift * scale + shift)
    return True


def _scale_weights(module: Module, before: Op, scale: Array, shift: Array) -> bool:
    weight = module.constant(before.inputs[1])
    bias = module.constant(before.inputs[2]) if len(before.inputs) > 2 else np.zeros_like(scale)
    if weight is None or bias is None or weight.dtype != np.float32:
        return False
    factors = scale.reshape(-1, *([1] * (weight.ndim - 1)))
    name = before.inputs[1]
    before.inputs = [
        before.inputs[0],
        module.add_constant(name, (weight * factors).astype(np.float32)),
        module.add_constant(f"{name}.bias", (bias * scale + shift).astype(np.float32)),
    ]
    return True


def _drop_copies(module: Module) -> None:
    """Remove copies between two inner values."""
    renamed: dict[str, str] = {}
    kept: list[Op] = []
    # Bodies contain the names that they read.
    fixed = {name for op in module.ops if op.node is not None for name in outer_reads(op.node)}
    fixed.update(module.outputs)
    for op in module.ops:
        op.inputs = [renamed.get(name, name) for name in op.inputs]
        if op.opcode == "copy" and op.node is None and op.outputs[0] not in fixed:
            renamed[op.outputs[0]] = op.inputs[0]
            continue
        if op.node is not None and any(name in renamed for name in op.node.input):
            node = type(op.node)()
            node.CopyFrom(op.node)
            for index, name in enumerate(node.input):
                node.input[index] = renamed.get(name, name)
            op.node = node
        kept.append(op)
    module.ops = kept
