"""Normalisation, softmax, pooling and reductions."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from runtime_core.compiler.lower.context import Lowering, Rule, Unsupported
from runtime_core.neff.graph import EngineKind

_REDUCTIONS = {
    "ReduceMean": "reduce_mean",
    "ReduceSum": "reduce_sum",
    "ReduceMax": "reduce_max",
    "ReduceMin": "reduce_min",
    "ReduceProd": "reduce_prod",
    "ReduceL2": "reduce_l2",
    "ReduceL1": "reduce_l1",
    "ReduceSumSquare": "reduce_sum_square",
    "ReduceLogSum": "reduce_log_sum",
    "ReduceLogSumExp": "reduce_log_sum_exp",
}


def _batch_norm(lo: Lowering) -> None:
    """With known statistics, the operator is one multiply-add per channel."""
    lo.require_float()
    if lo.opset < 9 and not lo.integer("spatial", 1):
        raise Unsupported("its statistics are per element")
    values = [lo.constant(i) for i in range(1, 5)]
    if any(v is None for v in values) or any(lo.outputs[1:]):
        raise Unsupported("its statistics are only known at run time")
    scale, bias, mean, variance = (np.asarray(v, np.float64) for v in values)
    factor = scale / np.sqrt(variance + lo.number("epsilon", 1e-5))
    dtype = lo.dtype().value
    name = lo.outputs[0]
    lo.emit(
        EngineKind.POOL,
        "affine",
        [
            lo.inputs[0],
            lo.module.add_constant(f"{name}.scale", factor.astype(dtype)),
            lo.module.add_constant(f"{name}.shift", (bias - mean * factor).astype(dtype)),
        ],
        lo.outputs[:1],
        flops=2 * lo.out_elements(),
    )


def _layer_norm(lo: Lowering) -> None:
    lo.require_float()
    if any(lo.outputs[1:]):
        raise Unsupported("its statistics outputs are used")
    axis = lo.integer("axis", -1) % len(lo.shape())
    inputs = [name for name in lo.inputs[:3] if name]
    lo.emit(
        EngineKind.ACT,
        "layer_norm",
        inputs,
        lo.outputs[:1],
        flops=8 * lo.out_elements(),
        axis=axis,
        epsilon=lo.number("epsilon", 1e-5),
    )


def _instance_norm(lo: Lowering) -> None:
    lo.require_float()
    lo.emit(
        EngineKind.ACT,
        "instance_norm",
        lo.inputs[:3],
        lo.outputs[:1],
        flops=8 * lo.out_elements(),
        epsilon=lo.number("epsilon", 1e-5),
    )


def _softmax(opcode: str, lo: Lowering) -> None:
    """Before operator set 13, everything from ``axis`` on is one row."""
    lo.require_float()
    lo.require_elements()
    flat = lo.opset < 13
    axis = lo.integer("axis", 1 if flat else -1) % max(1, len(lo.shape()))
    last = len(lo.shape()) - 1 if flat else axis
    lo.emit(
        EngineKind.ACT,
        opcode,
        lo.inputs[:1],
        lo.outputs[:1],
        flops=5 * lo.out_elements(),
        axes=[*range(axis, last + 1)],
    )


def _lrn(lo: Lowering) -> None:
    lo.require_float()
    lo.emit(
        EngineKind.POOL,
        "lrn",
        lo.inputs[:1],
        lo.outputs[:1],
        flops=(lo.integer("size", 1) + 4) * lo.out_elements(),
        size=lo.integer("size", 1),
        alpha=lo.number("alpha", 1e-4),
        beta=lo.number("beta", 0.75),
        bias=lo.number("bias", 1.0),
    )


def _pool(opcode: str, lo: Lowering) -> None:
    lo.require_float()
    kernel = lo.integers("kernel_shape")
    if kernel is None or any(lo.outputs[1:]):
        raise Unsupported("its indices output is used")
    window = lo.window(kernel)
    lo.emit(
        EngineKind.POOL,
        opcode,
        lo.inputs[:1],
        lo.outputs[:1],
        flops=lo.out_elements() * math.prod(kernel),
        kernel=[*kernel],
        strides=[*window.strides],
        dilations=[*window.dilations],
        pads=[*window.pads],
        out_shape=[*lo.out_shape()[2:]],
        count_include_pad=lo.integer("count_include_pad", 0),
    )


def _global_pool(opcode: str, lo: Lowering) -> None:
    lo.require_float()
    axes = list(range(2, len(lo.shape())))
    lo.emit(
        EngineKind.POOL,
        opcode,
        lo.inputs[:1],
        lo.outputs[:1],
        flops=math.prod(lo.shape()),
        axes=[*axes],
        keep=1,
    )


def _reduce(opcode: str, lo: Lowering) -> None:
    lo.require_float()
    if not lo.out_elements():
        lo.emit(EngineKind.DMA, "reshape", lo.inputs[:1], lo.outputs[:1], shape=[*lo.out_shape()])
        return
    rank = len(lo.shape())
    axes = lo.integers("axes")
    if axes is None:
        axes = lo.known_integers(1, "the list of axes")
    if not axes:
        # Without axes, every element is reduced alone. This is not a copy: a norm becomes the absolute value.
        axes = [] if lo.integer("noop_with_empty_axes", 0) else list(range(rank))
    lo.emit(
        EngineKind.POOL,
        opcode,
        lo.inputs[:1],
        lo.outputs[:1],
        flops=math.prod(lo.shape()),
        axes=sorted({a % rank for a in axes}),
        keep=lo.integer("keepdims", 1),
    )


def _arg(opcode: str, lo: Lowering) -> None:
    if lo.integer("select_last_index", 0):
        raise Unsupported("the last of equal values is requested")
    lo.emit(
        EngineKind.POOL,
        opcode,
        lo.inputs[:1],
        lo.outputs[:1],
        flops=math.prod(lo.shape()),
        axis=lo.integer("axis", 0) % max(1, len(lo.shape())),
        keep=lo.integer("keepdims", 1),
    )


RULES: dict[str, Rule] = {
    "BatchNormalization": Rule(EngineKind.POOL, _batch_norm, "floats, statistics known when compiling"),
    "LayerNormalization": Rule(EngineKind.ACT, _layer_norm, "floats, no statistics outputs"),
    "InstanceNormalization": Rule(EngineKind.ACT, _instance_norm, "floats"),
    "Softmax": Rule(EngineKind.ACT, partial(_softmax, "softmax"), "floats"),
    "LogSoftmax": Rule(EngineKind.ACT, partial(_softmax, "log_softmax"), "floats"),
    "LRN": Rule(EngineKind.POOL, _lrn, "floats"),
    "MaxPool": Rule(EngineKind.POOL, partial(_pool, "max_pool"), "floats, no indices output"),
    "AveragePool": Rule(EngineKind.POOL, partial(_pool, "average_pool"), "floats"),
    "GlobalAveragePool": Rule(EngineKind.POOL, partial(_global_pool, "reduce_mean"), "floats"),
    "GlobalMaxPool": Rule(EngineKind.POOL, partial(_global_pool, "reduce_max"), "floats"),
    "ArgMax": Rule(EngineKind.POOL, partial(_arg, "argmax"), "the first of equal values"),
    "ArgMin": Rule(EngineKind.POOL, partial(_arg, "argmin"), "the first of equal values"),
    **{
        operator: Rule(EngineKind.POOL, partial(_reduce, opcode), "floats, axes known when compiling")
        for operator, opcode in _REDUCTIONS.items()
    },
}
