"""Operators on one, two or several values, element by element."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import helper

from tests.conformance.variants.generator import Of, Variant, for_operators


@for_operators(
    "Abs", "Ceil", "Floor", "Neg", "Sign", "Sqrt", "Exp", "Log", "Relu", "Sigmoid", "Tanh", "Erf", "Sin", "Cos", "Tan",
    "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "Softplus", "Softsign", "Reciprocal", "Round",
    "HardSwish", "Mish", "Identity", "Not", "BitwiseNot", "IsNaN", "Det", "NonZero", "Size",
)  # fmt: skip
def _unary(of: Of) -> Iterator[Variant]:
    yield Variant("", {}, [of.data(2, 3, 3)])
    if of.is_float:
        edge = np.array([[0.0, -0.0, 0.5, -0.5], [1.5, 2.5, -1.0, 1.0], [np.inf, -np.inf, np.nan, 20.0]], of.dtype)
        yield Variant("edges", {}, [edge])
        yield Variant("positive", {}, [of.data(2, 3, low=1.0, high=4.0)])
        yield Variant("unit", {}, [of.data(5, low=-1.0, high=1.0)])
    yield Variant("scalar", {}, [of.data()])
    yield Variant("empty", {}, [of.data(0, 3)])


@for_operators("IsInf")
def _is_inf(of: Of) -> Iterator[Variant]:
    x = np.array([1, np.inf, -np.inf, np.nan], of.dtype)
    for positive, negative in itertools.product((0, 1), repeat=2):
        yield Variant(f"{positive}{negative}", {"detect_positive": positive, "detect_negative": negative}, [x])


_ATTRIBUTES: dict[str, list[dict[str, Any]]] = {
    "LeakyRelu": [{}, {"alpha": 0.3}],
    "Elu": [{}, {"alpha": 0.5}],
    "Selu": [{}, {"alpha": 2.0, "gamma": 0.5}],
    "Celu": [{}, {"alpha": 2.0}],
    "HardSigmoid": [{}, {"alpha": 0.5, "beta": 0.1}],
    "ThresholdedRelu": [{}, {"alpha": 0.5}],
    "Gelu": [{}, {"approximate": "tanh"}],
    "Shrink": [{}, {"lambd": 1.0, "bias": 0.5}],
    "Swish": [{}, {"alpha": 0.5}],
    "EyeLike": [{}, {"k": 1}, {"dtype": 1}],
    "LpNormalization": [{}, {"p": 1}, {"axis": 0}, {"p": 1, "axis": 1}],
    "MeanVarianceNormalization": [{"axes": [0, 1]}, {"axes": [1]}],
    "Transpose": [{}, {"perm": [1, 0]}],
    "Flatten": [{}, {"axis": 0}, {"axis": 2}, {"axis": -1}],
}


@for_operators(*_ATTRIBUTES)
def _unary_with(of: Of) -> Iterator[Variant]:
    name = of.operator
    for position, attributes in enumerate(_ATTRIBUTES[name]):
        if any(isinstance(v, int) and v < 0 for v in attributes.values()) and of.version < 11:
            continue
        yield Variant(str(position), attributes, [of.data(3, 4)])
    if name == "Transpose":
        yield Variant("scalar", {}, [of.data()])
    if name not in ("EyeLike", "MeanVarianceNormalization"):
        yield Variant("empty", {}, [of.data(0, 4)])


@for_operators("Shape")
def _shape(of: Of) -> Iterator[Variant]:
    yield Variant("", {}, [of.data(2, 3, 4)])
    yield Variant("empty", {}, [of.data(0, 3)])
    if of.version >= 15:
        for start, end in ((1, None), (-1, None), (0, -1), (-9, 9), (2, 1), (1, 2)):
            bounds = {"start": start} | ({} if end is None else {"end": end})
            yield Variant(f"{start}:{end}", bounds, [of.data(2, 3, 4)])


@for_operators(
    "Add", "Sub", "Mul", "Div", "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And", "Or", "Xor",
    "PRelu", "BitwiseAnd", "BitwiseOr", "BitwiseXor",
)  # fmt: skip
def _binary(of: Of) -> Iterator[Variant]:
    low = 1 if of.operator == "Div" and not of.is_float else -3
    for a, b in (((2, 3), (2, 3)), ((2, 3, 4), (3, 1)), ((2, 3, 4), ()), ((0, 3), (1, 3)), ((1,), (1,))):
        yield Variant(f"{a}{b}", {}, [of.data(*a), of.data(*b, low=low)])
    if of.operator != "PRelu":
        yield Variant("left", {}, [of.data(4), of.data(2, 3, 4, low=low)])
    if of.operator == "Div" and np.dtype(of.dtype).kind == "i":
        yield Variant("signs", {}, [np.array([-7, 7, -7, 7], of.dtype), np.array([2, -2, -2, 2], of.dtype)])
    if of.is_float:
        edge = np.array([np.nan, np.inf, -np.inf, 0, -0.0], of.dtype)
        yield Variant("edges", {}, [edge, edge[::-1].copy()])
    elif of.operator in ("Add", "Sub", "Mul") and of.dtype != "bool":
        top = np.full(3, np.iinfo(of.dtype).max, of.dtype)
        yield Variant("wrap", {}, [top, np.full(3, 2, of.dtype)])


@for_operators("Pow")
def _pow(of: Of) -> Iterator[Variant]:
    if of.is_float:
        yield Variant("", {}, [of.data(2, 3, low=0.1), of.data(2, 3)])
        yield Variant("edges", {}, [np.array([-2, 0, 0, np.nan], of.dtype), np.array([3, 0, -1, 0], of.dtype)])
    else:
        yield Variant("", {}, [of.data(2, 3), of.data(3, low=0, high=3)])
    if of.version >= 12:
        yield Variant("float exponent", {}, [of.data(2, 3, low=1), np.array([0.5, 2, 3], np.float32)])
        yield Variant("int exponent", {}, [of.data(2, 3), np.array([0, 2, 3], np.int64)])


@for_operators("Mod")
def _mod(of: Of) -> Iterator[Variant]:
    signed = np.dtype(of.dtype).kind in "if"
    a = np.array([7, -7, 7, -7] if signed else [7, 5, 3, 250], of.dtype)
    b = np.array([3, 3, -3, -3] if signed else [3, 3, 2, 7], of.dtype)
    if not of.is_float:
        yield Variant("", {}, [a, b])
    yield Variant("fmod", {"fmod": 1}, [a, b])


@for_operators("BitShift")
def _bit_shift(of: Of) -> Iterator[Variant]:
    for direction in ("LEFT", "RIGHT"):
        yield Variant(direction, {"direction": direction}, [of.data(2, 3, high=9), of.data(3, high=3)])


@for_operators("Max", "Min", "Sum", "Mean")
def _variadic(of: Of) -> Iterator[Variant]:
    yield Variant("1", {}, [of.data(2, 3)])
    yield Variant("alike", {}, [of.data(2, 3), of.data(2, 3), of.data(2, 3)])
    if of.version < 8:
        # Operator set 8 brought broadcasting.
        return
    yield Variant("2", {}, [of.data(2, 3), of.data(3)])
    yield Variant("3", {}, [of.data(3), of.data(2, 3), of.data(4, 1, 1)])
    if of.is_float:
        yield Variant("nan", {}, [np.array([1, np.nan], of.dtype), np.array([np.nan, 2], of.dtype)])


@for_operators("Where")
def _where(of: Of) -> Iterator[Variant]:
    condition = of.random.random((2, 3)) < 0.5
    yield Variant("", {}, [condition, of.data(2, 3), of.data(2, 3)])
    yield Variant("broadcast", {}, [condition, of.data(3), of.data(4, 1, 1)])


@for_operators("Clip")
def _clip(of: Of) -> Iterator[Variant]:
    x = of.data(3, 4)
    if of.version < 11:
        yield Variant("both", {"min": -1.0, "max": 1.0}, [x])
        yield Variant("none", {}, [x])
        yield Variant("min", {"min": 0.5}, [x])
        return
    low, high = np.array(0 if np.dtype(of.dtype).kind == "u" else -1, of.dtype), np.array(1, of.dtype)
    for label, inputs in (
        ("both", [low, high]),
        ("min", [low]),
        ("max", [None, high]),
        ("none", []),
        ("crossed", [high, low]),
    ):
        yield Variant(label, {}, [x, *inputs], fixed=tuple(range(1, 1 + len(inputs))))
    if of.is_float:
        yield Variant("nan", {}, [np.array([np.nan, 5, -5], of.dtype), low, high], fixed=(1, 2))
    yield Variant("at run time", {}, [x, low, high])


@for_operators("Cast")
def _cast(of: Of) -> Iterator[Variant]:
    exact = of.data(2, 3)
    targets = ("float32", "float64", "float16", "int8", "uint8", "int32", "int64", "bool")
    for target in targets:
        to = helper.np_dtype_to_tensor_dtype(np.dtype(target))
        x = np.abs(exact) if np.dtype(target).kind == "u" else exact
        yield Variant(target, {"to": to}, [x])
    if of.is_float:
        yield Variant("rounding", {"to": 6}, [np.array([1.5, -1.5, 2.7, -2.7, 0.2], of.dtype)])
        yield Variant("to bool", {"to": 9}, [np.array([0.2, 0, -0.0, -3], of.dtype)])
        yield Variant("bfloat16 and back", {"to": 10}, [np.array([1.1, 3.14159], of.dtype)])
    elif of.dtype not in ("bool", "int8", "uint8"):
        yield Variant("wrap", {"to": 3}, [np.array([100, 127], of.dtype)])


@for_operators("CastLike")
def _cast_like(of: Of) -> Iterator[Variant]:
    for target in ("float32", "int32", "float16"):
        yield Variant(target, {}, [of.data(2, 3), np.zeros(1, target)])
