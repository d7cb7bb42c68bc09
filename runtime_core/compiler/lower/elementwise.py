"""Element-wise operators: functions of one value run on ACT, functions of several values on POOL."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from runtime_core.compiler.lower.context import Lowering, Rule, Unsupported
from runtime_core.neff.graph import DType, EngineKind

_UNARY = {
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Exp": "exp",
    "Log": "log",
    "Sqrt": "sqrt",
    "Erf": "erf",
    "Neg": "neg",
    "Abs": "abs",
    "Reciprocal": "reciprocal",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Floor": "floor",
    "Ceil": "ceil",
    "Sin": "sin",
    "Cos": "cos",
    "HardSwish": "hard_swish",
    "Mish": "mish",
    "Sign": "sign",
    "Round": "round",
    "Tan": "tan",
    "Asin": "asin",
    "Acos": "acos",
    "Atan": "atan",
    "Sinh": "sinh",
    "Cosh": "cosh",
    "Asinh": "asinh",
    "Acosh": "acosh",
    "Atanh": "atanh",
    "IsNaN": "is_nan",
}
# Operator -> instruction, and its attributes with their defaults.
_UNARY_WITH = {
    "LeakyRelu": ("leaky_relu", {"alpha": 0.01}),
    "Elu": ("elu", {"alpha": 1.0}),
    "Selu": ("selu", {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875}),
    "HardSigmoid": ("hard_sigmoid", {"alpha": 0.2, "beta": 0.5}),
    "ThresholdedRelu": ("thresholded_relu", {"alpha": 1.0}),
    "Celu": ("celu", {"alpha": 1.0}),
}
_BINARY = {
    "Add": "add",
    "Sub": "sub",
    "Mul": "mul",
    "Div": "div",
    "Pow": "pow",
    "Equal": "equal",
    "Greater": "greater",
    "GreaterOrEqual": "greater_equal",
    "Less": "less",
    "LessOrEqual": "less_equal",
    "And": "and",
    "Or": "or",
    "Xor": "xor",
    "PRelu": "prelu",
}
_VARIADIC = {"Sum": "add", "Max": "max", "Min": "min"}


def _unary(opcode: str, lo: Lowering) -> None:
    if opcode not in ("neg", "abs", "relu", "sign"):
        lo.require_float()
    lo.emit(EngineKind.ACT, opcode, lo.inputs[:1], lo.outputs[:1], flops=lo.out_elements())


def _unary_with(opcode: str, defaults: dict[str, float], lo: Lowering) -> None:
    lo.require_float()
    values = {name: lo.number(name, default) for name, default in defaults.items()}
    lo.emit(EngineKind.ACT, opcode, lo.inputs[:1], lo.outputs[:1], flops=lo.out_elements(), **values)


def _gelu(lo: Lowering) -> None:
    lo.require_float()
    approximate = lo.text("approximate", "none")
    lo.emit(EngineKind.ACT, "gelu", lo.inputs[:1], lo.outputs[:1], flops=lo.out_elements(), approximate=approximate)


def _binary(opcode: str, lo: Lowering) -> None:
    if lo.has("axis") or lo.integer("broadcast", 0):
        raise Unsupported("broadcasting of operator sets before 7")
    if opcode == "pow" and lo.dtype(0) not in (DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16):
        raise Unsupported("powers of integers")
    lo.emit(EngineKind.POOL, opcode, lo.inputs[:2], lo.outputs[:1], flops=lo.out_elements())


def _variadic(opcode: str, lo: Lowering) -> None:
    """Emit a chain of two-operand instructions."""
    names = lo.inputs
    if len(names) == 1:
        lo.emit(EngineKind.DMA, "copy", names, lo.outputs[:1])
        return
    left = names[0]
    for position, right in enumerate(names[1:], 2):
        if position == len(names):
            target = lo.outputs[0]
        else:
            shape = np.broadcast_shapes(lo.module.shape(left), lo.module.shape(right))
            target = lo.module.add_value(f"{lo.outputs[0]}.part", lo.dtype(), shape)
        lo.emit(EngineKind.POOL, opcode, [left, right], [target], flops=math.prod(lo.module.shape(target)))
        left = target


def _clip(lo: Lowering) -> None:
    bounds: dict[str, float] = {}
    for index, name in ((1, "min"), (2, "max")):
        if lo.has(name):
            bounds[name] = lo.number(name, 0.0)
        elif lo.input(index):
            value = lo.constant(index)
            if value is None:
                raise Unsupported("its bounds are only known at run time")
            bounds[name] = float(np.asarray(value).reshape(()))
    lo.emit(EngineKind.ACT, "clip", lo.inputs[:1], lo.outputs[:1], flops=lo.out_elements(), **bounds)


def _mod(lo: Lowering) -> None:
    lo.emit(EngineKind.POOL, "mod", lo.inputs[:2], lo.outputs[:1], flops=lo.out_elements(), fmod=lo.integer("fmod", 0))


def _mean(lo: Lowering) -> None:
    """Emit the sum as a chain, then multiply it by one over the count."""
    lo.require_float()
    total = lo.module.add_value(f"{lo.outputs[0]}.sum", lo.dtype(), lo.out_shape())
    target, lo.outputs[0] = lo.outputs[0], total
    _variadic("add", lo)
    lo.outputs[0] = target
    share = np.asarray(1 / len(lo.inputs), lo.dtype().value)
    factor = lo.module.add_constant(f"{target}.share", share)
    lo.emit(EngineKind.POOL, "mul", [total, factor], [target], flops=lo.out_elements())


def _where(lo: Lowering) -> None:
    lo.emit(EngineKind.POOL, "where", lo.inputs[:3], lo.outputs[:1], flops=lo.out_elements())


def _not(lo: Lowering) -> None:
    lo.emit(EngineKind.POOL, "not", lo.inputs[:1], lo.outputs[:1], flops=lo.out_elements())


def _identity(lo: Lowering) -> None:
    lo.emit(EngineKind.DMA, "copy", lo.inputs[:1], lo.outputs[:1])


def _dropout(lo: Lowering) -> None:
    """Copy the input: dropout has no effect in inference."""
    if any(lo.outputs[1:]):
        raise Unsupported("its mask output is used")
    training = lo.constant(2)
    if lo.input(2) and (training is None or bool(np.any(training))):
        raise Unsupported("it may drop values, as in training")
    _identity(lo)


_FLOATS = "floats"
_ANY_NUMBER = ("Relu", "Neg", "Abs", "Sign")

RULES: dict[str, Rule] = {
    **{
        operator: Rule(EngineKind.ACT, partial(_unary, opcode), "" if operator in _ANY_NUMBER else _FLOATS)
        for operator, opcode in _UNARY.items()
    },
    **{operator: Rule(EngineKind.ACT, partial(_unary_with, *rule), _FLOATS) for operator, rule in _UNARY_WITH.items()},
    **{
        operator: Rule(EngineKind.POOL, partial(_binary, opcode), _FLOATS if operator == "Pow" else "")
        for operator, opcode in _BINARY.items()
    },
    **{operator: Rule(EngineKind.POOL, partial(_variadic, opcode)) for operator, opcode in _VARIADIC.items()},
    "Gelu": Rule(EngineKind.ACT, _gelu, _FLOATS),
    "Clip": Rule(EngineKind.ACT, _clip, "bounds known when compiling"),
    "Where": Rule(EngineKind.POOL, _where),
    "Mod": Rule(EngineKind.POOL, _mod),
    "Mean": Rule(EngineKind.POOL, _mean, _FLOATS),
    "Not": Rule(EngineKind.POOL, _not),
    "Identity": Rule(EngineKind.DMA, _identity),
    "Dropout": Rule(EngineKind.DMA, _dropout, "no mask output, no training mode"),
}
