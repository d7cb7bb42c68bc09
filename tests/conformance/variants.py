"""Operator variants by generators: attributes, shapes and types that change what an operator means, by operator set.

``variants(operator, version, dtype)`` lists what the operator takes in that operator set. The name of a case seeds its
values.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import helper

FLOATS = ("float32", "float64", "float16")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = (*SIGNED, *UNSIGNED)


class Variant(NamedTuple):
    """One way to use an operator.

    Attributes:
        label: what is special about it.
        attributes: of the node.
        inputs: arrays in order; ``None`` for one left out.
        outputs: how many are asked for.
        fixed: indices of the inputs that models keep constant (axes, shapes, scales).
    """

    label: str
    attributes: dict[str, Any]
    inputs: list[Any]
    outputs: int = 1
    fixed: tuple[int, ...] = ()


class Of(NamedTuple):
    """What a generator makes variants for."""

    version: int
    dtype: str
    random: np.random.Generator

    def data(self, *shape: int, low: float = -3, high: float = 3) -> np.ndarray:
        """Random values of the type; integers are small."""
        kind = np.dtype(self.dtype).kind
        if kind == "b":
            return self.random.random(shape) < 0.5
        if kind == "f":
            return self.random.uniform(low, high, shape).astype(self.dtype)
        low = max(low, 0) if kind == "u" else low
        return self.random.integers(math.floor(low), math.ceil(high) + 1, shape).astype(self.dtype)

    @property
    def is_float(self) -> bool:
        return np.dtype(self.dtype).kind == "f"


Generator = Callable[[Of], Iterator[Variant]]
GENERATORS: dict[str, Generator] = {}


def _for(*operators: str) -> Callable[[Callable[[Of], Iterator[Variant]]], Generator]:
    def add(generator: Callable[[Of], Iterator[Variant]]) -> Generator:
        GENERATORS.update(dict.fromkeys(operators, generator))
        return generator

    return add


def ints(*values: int, dtype: str = "int64") -> np.ndarray:
    return np.array(values, dtype)


def one(value: Any, dtype: str = "int64") -> np.ndarray:
    return np.array(value, dtype)


@_for(
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


@_for("IsInf")
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


@_for(*_ATTRIBUTES)
def _unary_with(of: Of) -> Iterator[Variant]:
    name = _current
    for position, attributes in enumerate(_ATTRIBUTES[name]):
        if any(isinstance(v, int) and v < 0 for v in attributes.values()) and of.version < 11:
            continue
        yield Variant(str(position), attributes, [of.data(3, 4)])
    if name == "Transpose":
        yield Variant("scalar", {}, [of.data()])
    if name not in ("EyeLike", "MeanVarianceNormalization"):
        yield Variant("empty", {}, [of.data(0, 4)])


@_for("Shape")
def _shape(of: Of) -> Iterator[Variant]:
    yield Variant("", {}, [of.data(2, 3, 4)])
    yield Variant("empty", {}, [of.data(0, 3)])
    if of.version >= 15:
        for start, end in ((1, None), (-1, None), (0, -1), (-9, 9), (2, 1), (1, 2)):
            bounds = {"start": start} | ({} if end is None else {"end": end})
            yield Variant(f"{start}:{end}", bounds, [of.data(2, 3, 4)])


@_for(
    "Add", "Sub", "Mul", "Div", "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And", "Or", "Xor",
    "PRelu", "BitwiseAnd", "BitwiseOr", "BitwiseXor",
)  # fmt: skip
def _binary(of: Of) -> Iterator[Variant]:
    low = 1 if _current == "Div" and not of.is_float else -3
    for a, b in (((2, 3), (2, 3)), ((2, 3, 4), (3, 1)), ((2, 3, 4), ()), ((0, 3), (1, 3)), ((1,), (1,))):
        yield Variant(f"{a}{b}", {}, [of.data(*a), of.data(*b, low=low)])
    if _current != "PRelu":
        yield Variant("left", {}, [of.data(4), of.data(2, 3, 4, low=low)])
    if _current == "Div" and np.dtype(of.dtype).kind == "i":
        yield Variant("signs", {}, [np.array([-7, 7, -7, 7], of.dtype), np.array([2, -2, -2, 2], of.dtype)])
    if of.is_float:
        edge = np.array([np.nan, np.inf, -np.inf, 0, -0.0], of.dtype)
        yield Variant("edges", {}, [edge, edge[::-1].copy()])
    elif _current in ("Add", "Sub", "Mul") and of.dtype != "bool":
        top = np.full(3, np.iinfo(of.dtype).max, of.dtype)
        yield Variant("wrap", {}, [top, np.full(3, 2, of.dtype)])


@_for("Pow")
def _pow(of: Of) -> Iterator[Variant]:
    if of.is_float:
        yield Variant("", {}, [of.data(2, 3, low=0.1), of.data(2, 3)])
        yield Variant("edges", {}, [np.array([-2, 0, 0, np.nan], of.dtype), np.array([3, 0, -1, 0], of.dtype)])
    else:
        yield Variant("", {}, [of.data(2, 3), of.data(3, low=0, high=3)])
    if of.version >= 12:
        yield Variant("float exponent", {}, [of.data(2, 3, low=1), np.array([0.5, 2, 3], np.float32)])
        yield Variant("int exponent", {}, [of.data(2, 3), np.array([0, 2, 3], np.int64)])


@_for("Mod")
def _mod(of: Of) -> Iterator[Variant]:
    signed = np.dtype(of.dtype).kind in "if"
    a = np.array([7, -7, 7, -7] if signed else [7, 5, 3, 250], of.dtype)
    b = np.array([3, 3, -3, -3] if signed else [3, 3, 2, 7], of.dtype)
    if not of.is_float:
        yield Variant("", {}, [a, b])
    yield Variant("fmod", {"fmod": 1}, [a, b])


@_for("BitShift")
def _bit_shift(of: Of) -> Iterator[Variant]:
    for direction in ("LEFT", "RIGHT"):
        yield Variant(direction, {"direction": direction}, [of.data(2, 3, high=9), of.data(3, high=3)])


@_for("Max", "Min", "Sum", "Mean")
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


@_for("Where")
def _where(of: Of) -> Iterator[Variant]:
    condition = of.random.random((2, 3)) < 0.5
    yield Variant("", {}, [condition, of.data(2, 3), of.data(2, 3)])
    yield Variant("broadcast", {}, [condition, of.data(3), of.data(4, 1, 1)])


@_for("Clip")
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


@_for("Cast")
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


@_for("CastLike")
def _cast_like(of: Of) -> Iterator[Variant]:
    for target in ("float32", "int32", "float16"):
        yield Variant(target, {}, [of.data(2, 3), np.zeros(1, target)])


@_for("Softmax", "LogSoftmax", "Hardmax")
def _softmax(of: Of) -> Iterator[Variant]:
    for axis in (None, 0, 1, 2, -1):
        if axis == -1 and of.version < 11:
            continue
        yield Variant(str(axis), {} if axis is None else {"axis": axis}, [of.data(2, 3, 4)])
    yield Variant("4d", {}, [of.data(2, 3, 2, 2)])
    yield Variant("1d", {"axis": 0}, [of.data(5)])
    if _current == "Hardmax":
        yield Variant("ties", {}, [np.ones((2, 3), of.dtype)])
    yield Variant("empty", {}, [of.data(0, 3)])
    yield Variant("empty rows", {}, [of.data(3, 0)])


_REDUCTIONS = (
    "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
    "ReduceLogSumExp", "ReduceSumSquare",
)  # fmt: skip


@_for(*_REDUCTIONS)
def _reduce(of: Of) -> Iterator[Variant]:
    positive = _current == "ReduceLogSum"
    low, high = (1, 3) if positive else (-2, 2)
    x = of.data(2, 3, 4, low=low, high=high)
    as_input = of.version >= (13 if _current == "ReduceSum" else 18)
    for axes, keep in ((None, 1), (None, 0), ([1], 1), ([1], 0), ([0, 2], 1), ([-1], 0), ([0, 1, 2], 0)):
        if axes and min(axes) < 0 and of.version < 11:
            continue
        attributes: dict[str, Any] = {} if keep else {"keepdims": 0}
        if axes is None or not as_input:
            yield Variant(f"{axes}{keep}", attributes | ({} if axes is None else {"axes": axes}), [x])
        else:
            yield Variant(f"{axes}{keep}", attributes, [x, ints(*axes)], fixed=(1,))
    if as_input:
        for noop in (0, 1):
            yield Variant(f"noop{noop}", {"noop_with_empty_axes": noop}, [x])
            yield Variant(f"noop{noop} empty", {"noop_with_empty_axes": noop}, [x, ints()], fixed=(1,))
        yield Variant("at run time", {}, [x, ints(1)])
    yield Variant("scalar", {}, [of.data(low=low, high=high)])
    yield Variant("one", {"keepdims": 0}, [of.data(1, low=low, high=high)])
    if _current == "ReduceMean" and not of.is_float:
        return
    yield Variant("nothing", {}, [of.data(0, low=low, high=high)])
    if as_input:
        yield Variant("empty rows", {}, [of.data(2, 0, 3), ints(1)], fixed=(1,))


@_for("ArgMax", "ArgMin")
def _arg(of: Of) -> Iterator[Variant]:
    x = of.data(3, 4)
    for attributes in ({}, {"axis": 1}, {"axis": 1, "keepdims": 0}, {"axis": -1}, {"select_last_index": 1}):
        if (attributes.get("axis", 0) < 0 and of.version < 11) or (
            "select_last_index" in attributes and of.version < 12
        ):
            continue
        yield Variant(str(attributes), attributes, [x])
    yield Variant("ties", {"axis": 0}, [np.ones((3, 2), of.dtype)])
    if of.version >= 12:
        yield Variant("last of ties", {"axis": 0, "select_last_index": 1}, [np.ones((3, 2), of.dtype)])


_POOLS: list[dict[str, Any]] = [
    {"kernel_shape": [2, 2]},
    {"kernel_shape": [3, 3], "strides": [2, 2]},
    {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
    {"kernel_shape": [2, 2], "auto_pad": "VALID"},
]


@_for("MaxPool", "AveragePool", "LpPool")
def _pool(of: Of) -> Iterator[Variant]:
    x = of.data(1, 2, 7, 6, low=0.5 if _current == "LpPool" else -3)
    every = list(_POOLS)
    if _current == "LpPool":
        every += [{"kernel_shape": [2, 2], "p": 1}, {"kernel_shape": [2, 2], "p": 3}]
    ceil_since = {"MaxPool": 10, "AveragePool": 10, "LpPool": 18}[_current]
    dilated_since = {"MaxPool": 10, "AveragePool": 19, "LpPool": 18}[_current]
    if of.version >= ceil_since:
        every += [
            {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
            {"kernel_shape": [2, 2], "strides": [3, 3], "ceil_mode": 1, "pads": [1, 1, 1, 1]},
            {"kernel_shape": [3, 3], "strides": [3, 3], "ceil_mode": 1, "pads": [1, 1, 0, 0]},
        ]
    if of.version >= dilated_since:
        every += [{"kernel_shape": [2, 2], "dilations": [2, 2]}]
        every += [{"kernel_shape": [2, 2], "dilations": [2, 1], "ceil_mode": 1, "strides": [2, 2]}]
    for position, attributes in enumerate(every):
        yield Variant(str(position), attributes, [x])
        if _current == "AveragePool":
            yield Variant(f"{position} counted", attributes | {"count_include_pad": 1}, [x])
    yield Variant("1d", {"kernel_shape": [3]}, [of.data(2, 3, 8, low=0.5)])
    yield Variant("3d", {"kernel_shape": [2, 2, 2], "strides": [1, 2, 1]}, [of.data(1, 2, 4, 4, 4, low=0.5)])
    if _current == "MaxPool" and of.version >= 8:
        yield Variant("indices", {"kernel_shape": [2, 2], "strides": [2, 2]}, [x], outputs=2)
        yield Variant("column major", {"kernel_shape": [2, 2], "storage_order": 1}, [x], outputs=2)


@_for("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def _global_pool(of: Of) -> Iterator[Variant]:
    yield Variant("", {}, [of.data(2, 3, 4, 5)])
    yield Variant("1d", {}, [of.data(2, 3, 4)])
    if _current == "GlobalLpPool":
        yield Variant("p=1", {"p": 1}, [of.data(2, 3, 4, 5)])


@_for("Conv")
def _conv(of: Of) -> Iterator[Variant]:
    x, w, b = of.data(1, 4, 6, 7), of.data(6, 4, 3, 3), of.data(6)
    yield Variant("", {}, [x, w], fixed=(1,))
    yield Variant("bias", {"pads": [1, 2, 0, 1], "strides": [2, 1]}, [x, w, b], fixed=(1, 2))
    yield Variant("groups", {"group": 2, "dilations": [2, 1]}, [x, of.data(6, 2, 3, 3), b], fixed=(1, 2))
    yield Variant("depthwise", {"group": 4}, [x, of.data(4, 1, 3, 3)], fixed=(1,))
    for mode in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        yield Variant(mode, {"auto_pad": mode, "strides": [2, 2]}, [x, of.data(3, 4, 2, 2)], fixed=(1,))
    yield Variant("1d", {"pads": [1, 1]}, [of.data(2, 3, 8), of.data(4, 3, 3)], fixed=(1,))
    yield Variant("3d", {}, [of.data(1, 2, 4, 4, 4), of.data(3, 2, 2, 2, 2)], fixed=(1,))
    yield Variant("weights at run time", {"kernel_shape": [3, 3]}, [x, w, b])


@_for("ConvTranspose")
def _conv_transpose(of: Of) -> Iterator[Variant]:
    x, w = of.data(1, 4, 4, 5), of.data(4, 3, 3, 3)
    for label, attributes in (
        ("", {}),
        ("strides", {"strides": [2, 3], "pads": [1, 0, 1, 2]}),
        ("padding", {"strides": [2, 2], "output_padding": [1, 1]}),
        ("shape", {"strides": [2, 2], "output_shape": [8, 10]}),
        ("shape odd", {"strides": [2, 2], "output_shape": [10, 12]}),
        ("upper", {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
        ("lower", {"strides": [2, 2], "auto_pad": "SAME_LOWER"}),
        ("dilations", {"dilations": [2, 1]}),
    ):
        yield Variant(label, attributes, [x, w], fixed=(1,))
    yield Variant("groups", {"group": 2}, [x, of.data(4, 2, 3, 3), of.data(4)], fixed=(1, 2))
    yield Variant("1d", {"strides": [2]}, [of.data(1, 2, 5), of.data(2, 3, 3)], fixed=(1,))


@_for("MatMul")
def _matmul(of: Of) -> Iterator[Variant]:
    for a, b in (
        ((2, 3), (3, 4)),
        ((3,), (3, 4)),
        ((2, 3), (3,)),
        ((3,), (3,)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((0, 3), (3, 2)),
    ):
        yield Variant(f"{a}{b}", {}, [of.data(*a), of.data(*b)])
    yield Variant("inner 0", {}, [of.data(2, 0), of.data(0, 3)])


@_for("Gemm")
def _gemm(of: Of) -> Iterator[Variant]:
    a, b, c = of.data(2, 3), of.data(3, 4), of.data(4)
    yield Variant("", {}, [a, b, c])
    yield Variant("scaled", {"alpha": 0.5, "beta": 2.0}, [a, b, of.data(2, 4)])
    yield Variant("transposed", {"transA": 1, "transB": 1}, [of.data(3, 2), of.data(4, 3), of.data(2, 1)])
    yield Variant("scalar", {"beta": 0.5}, [a, b, of.data()])
    yield Variant("vector", {}, [a, b, of.data(1)])
    yield Variant("no beta", {"beta": 0.0}, [a, b, c])
    if of.version >= 11:
        yield Variant("two", {"alpha": 2.0}, [a, b])


@_for("Einsum")
def _einsum(of: Of) -> Iterator[Variant]:
    a, b = of.data(2, 3, 4), of.data(2, 4, 5)
    for equation, inputs in (
        ("bij,bjk->bik", [a, b]), ("bij,bjk", [a, b]), ("bij->", [a]), ("bij->jib", [a]), ("b i j -> b", [a]),
        ("...ij,...jk->...ik", [a, b]), ("ii->i", [of.data(3, 3)]),
        ("i,j,k->ijk", [of.data(2), of.data(3), of.data(4)]),
        ("ij,jk,kl->il", [of.data(2, 3), of.data(3, 4), of.data(4, 2)]), ("...->...", [a]), ("ba", [of.data(2, 3)]),
    ):  # fmt: skip
        yield Variant(equation, {"equation": equation}, inputs)


@_for("BatchNormalization")
def _batch_norm(of: Of) -> Iterator[Variant]:
    x = of.data(2, 3, 4, 2)
    statistics = [of.data(3), of.data(3), of.data(3), of.data(3, low=0.5, high=2)]
    yield Variant("", {}, [x, *statistics], fixed=(1, 2, 3, 4))
    yield Variant("epsilon", {"epsilon": 0.1}, [x, *statistics], fixed=(1, 2, 3, 4))
    yield Variant("at run time", {}, [x, *statistics])
    yield Variant("2d", {}, [of.data(4, 3), *statistics], fixed=(1, 2, 3, 4))
    if of.version >= 14:
        yield Variant("training", {"training_mode": 1}, [x, *statistics], outputs=3, fixed=(1, 2, 3, 4))
        yield Variant("training momentum", {"training_mode": 1, "momentum": 0.5}, [x, *statistics], 3, (1, 2, 3, 4))
    if of.version < 9:
        whole = [of.data(3, 4, 2, low=0.5, high=2) for _ in range(4)]
        yield Variant("not spatial", {"spatial": 0}, [x, *whole], fixed=(1, 2, 3, 4))


@_for("InstanceNormalization")
def _instance_norm(of: Of) -> Iterator[Variant]:
    yield Variant("", {}, [of.data(2, 3, 4, 5), of.data(3), of.data(3)])
    yield Variant("epsilon", {"epsilon": 0.1}, [of.data(2, 3, 4), of.data(3), of.data(3)])


@_for("LayerNormalization")
def _layer_norm(of: Of) -> Iterator[Variant]:
    x = of.data(2, 3, 4)
    yield Variant("", {}, [x, of.data(4)])
    yield Variant("bias", {"epsilon": 0.1}, [x, of.data(4), of.data(4)])
    yield Variant("axis", {"axis": 1}, [x, of.data(3, 4), of.data(3, 4)])
    yield Variant("statistics", {}, [x, of.data(4)], outputs=3)
    yield Variant("axis 0", {"axis": 0}, [x, of.data(2, 3, 4)])


@_for("RMSNormalization")
def _rms_norm(of: Of) -> Iterator[Variant]:
    yield Variant("", {}, [of.data(2, 3, 4), of.data(4)])
    yield Variant("axis", {"axis": 1, "epsilon": 0.1}, [of.data(2, 3, 4), of.data(3, 4)])


@_for("GroupNormalization")
def _group_norm(of: Of) -> Iterator[Variant]:
    size = 2 if of.version < 21 else 4
    yield Variant("", {"num_groups": 2}, [of.data(2, 4, 3, 2), of.data(size), of.data(size)])
    yield Variant("epsilon", {"num_groups": 2, "epsilon": 0.1}, [of.data(1, 4, 5), of.data(size), of.data(size)])


@_for("LRN")
def _lrn(of: Of) -> Iterator[Variant]:
    for size in (1, 2, 3, 5):
        yield Variant(str(size), {"size": size}, [of.data(1, 5, 2, 3)])
    yield Variant("all", {"size": 3, "alpha": 0.5, "beta": 0.5, "bias": 2.0}, [of.data(1, 5, 2, 3)])


@_for("Dropout")
def _dropout(of: Of) -> Iterator[Variant]:
    x = of.data(2, 3)
    if of.version < 12:
        yield Variant("", {}, [x])
        yield Variant("ratio", {"ratio": 0.3}, [x])
        if of.version >= 10:
            yield Variant("mask", {}, [x], outputs=2)
        return
    yield Variant("", {}, [x])
    yield Variant("ratio", {}, [x, np.array(0.3, np.float32)], fixed=(1,))
    yield Variant("not training", {}, [x, np.array(0.3, np.float32), np.array(False)], 2, (1, 2))
    yield Variant("training 0", {}, [x, np.array(0.0, np.float32), np.array(True)], 2, (1, 2))


@_for("Reshape")
def _reshape(of: Of) -> Iterator[Variant]:
    x = of.data(2, 3, 4)
    for shape in ((4, 6), (-1,), (0, -1), (0, 0, 2, 2), (2, 3, 4, 1)):
        yield Variant(str(shape), {}, [x, ints(*shape)], fixed=(1,))
    yield Variant("scalar", {}, [of.data(1), ints()], fixed=(1,))
    yield Variant("at run time", {}, [x, ints(4, 6)])
    if of.version >= 14:
        yield Variant("allowzero", {"allowzero": 1}, [of.data(0, 3), ints(3, 0)], fixed=(1,))


@_for("Squeeze")
def _squeeze(of: Of) -> Iterator[Variant]:
    x = of.data(1, 3, 1, 2)
    yield Variant("none", {}, [x])
    for axes in ((0,), (0, 2), (-2,)):
        if min(axes) < 0 and of.version < 11:
            continue
        if of.version < 13:
            yield Variant(str(axes), {"axes": list(axes)}, [x])
        else:
            yield Variant(str(axes), {}, [x, ints(*axes)], fixed=(1,))


@_for("Unsqueeze")
def _unsqueeze(of: Of) -> Iterator[Variant]:
    x = of.data(2, 3)
    for axes in ((0,), (1, 3), (3, 0), (-1,), (-1, 0)):
        if min(axes) < 0 and of.version < 11:
            continue
        if of.version < 13:
            yield Variant(str(axes), {"axes": list(axes)}, [x])
        else:
            yield Variant(str(axes), {}, [x, ints(*axes)], fixed=(1,))


@_for("Concat")
def _concat(of: Of) -> Iterator[Variant]:
    for axis in (0, 1, -1):
        if axis < 0 and of.version < 11:
            continue
        yield Variant(str(axis), {"axis": axis}, [of.data(2, 3), of.data(2, 3), of.data(2, 3)])
    yield Variant("empty", {"axis": 0}, [of.data(0, 3), of.data(2, 3)])
    yield Variant("one", {"axis": 0}, [of.data(2, 3)])


@_for("Split")
def _split(of: Of) -> Iterator[Variant]:
    x = of.data(6, 4)
    even = {"num_outputs": 2} if of.version >= 18 else {}
    yield Variant("even", even, [x], outputs=2)
    yield Variant("axis", even | {"axis": 1}, [x], outputs=2)
    if of.version < 13:
        yield Variant("sizes", {"split": [1, 5]}, [x], outputs=2)
    else:
        yield Variant("sizes", {}, [x, ints(1, 5)], 2, (1,))
        yield Variant("empty part", {"axis": 1}, [x, ints(0, 4)], 2, (1,))
    if of.version >= 18:
        yield Variant("uneven", {"num_outputs": 4}, [x], outputs=4)
    if of.version >= 11:
        yield Variant("negative", even | {"axis": -1}, [x], outputs=2)


@_for("Slice")
def _slice(of: Of) -> Iterator[Variant]:
    x = of.data(5, 6)
    if of.version < 10:
        yield Variant("", {"starts": [1, 2], "ends": [4, 5]}, [x])
        yield Variant("axes", {"starts": [-3], "ends": [1000], "axes": [1]}, [x])
        yield Variant("ends", {"starts": [0], "ends": [-1], "axes": [0]}, [x])
        return
    for label, *bounds in (
        ("", (1, 2), (4, 5)),
        ("axes", (-3,), (1 << 62,), (1,)),
        ("steps", (0, 5), (5, 0), (0, 1), (2, -2)),
        ("backwards", (-1,), (-100,), (1,), (-1,)),
        ("backwards from before", (-9,), (-9,), (1,), (-1,)),
        ("empty", (3,), (1,), (0,)),
        ("negative axes", (1,), (-1,), (-2,), (2,)),
        ("past", (100,), (-100,), (0,), (-1,)),
        ("backwards from far", (1 << 62,), (-(1 << 62),), (0,), (-3,)),
    ):
        inputs = [ints(*b) for b in bounds]
        yield Variant(label, {}, [x, *inputs], fixed=tuple(range(1, 1 + len(inputs))))
    yield Variant("int32", {}, [x, ints(1, dtype="int32"), ints(4, dtype="int32")], fixed=(1, 2))
    yield Variant("steps without axes", {}, [x, ints(4, 0), ints(0, 5), None, ints(-2, 2)], fixed=(1, 2, 4))


@_for("Gather")
def _gather(of: Of) -> Iterator[Variant]:
    x = of.data(4, 3)
    yield Variant("", {}, [x, ints(0, 3)])
    yield Variant("axis", {"axis": 1}, [x, np.array([[0, 2], [1, 0]], np.int32)])
    yield Variant("scalar", {}, [x, one(2)])
    yield Variant("scalar constant", {}, [x, one(2)], fixed=(1,))
    if of.version >= 11:
        yield Variant("negative", {"axis": -1}, [x, ints(-1, -3)])


@_for("GatherElements")
def _gather_elements(of: Of) -> Iterator[Variant]:
    x = of.data(3, 4)
    yield Variant("", {}, [x, np.array([[0, 2, 1], [-1, 0, -3]])])
    yield Variant("axis", {"axis": -1}, [x, np.array([[0, 3], [-1, 0]])])


@_for("GatherND")
def _gather_nd(of: Of) -> Iterator[Variant]:
    x = of.data(2, 3, 4)
    yield Variant("", {}, [x, np.array([[0, 1], [1, -1]])])
    yield Variant("full", {}, [x, np.array([[0, 1, 2], [1, 2, 3]])])
    if of.version >= 12:
        yield Variant("batch", {"batch_dims": 1}, [x, np.array([[[1]], [[0]]])])


@_for("Scatter", "ScatterElements")
def _scatter(of: Of) -> Iterator[Variant]:
    x, indices = of.data(3, 4), np.array([[0, 2, 1, 1]])
    yield Variant("", {}, [x, indices, of.data(1, 4)])
    yield Variant("axis", {"axis": 1}, [x, indices, of.data(1, 4)])
    if _current == "ScatterElements":
        yield Variant("negative", {"axis": -1}, [x, np.array([[-1, 0]]), of.data(1, 2)])
        repeated = np.array([[0, 0, 1, 1], [0, 1, 1, 1]])
        for reduction, since in (("add", 16), ("mul", 16), ("max", 18), ("min", 18)):
            if of.version >= since:
                yield Variant(reduction, {"reduction": reduction}, [x, repeated, of.data(2, 4)])


@_for("ScatterND")
def _scatter_nd(of: Of) -> Iterator[Variant]:
    x = of.data(4, 3)
    yield Variant("", {}, [x, np.array([[0], [2]]), of.data(2, 3)])
    yield Variant("full", {}, [x, np.array([[0, 1], [-1, 2]]), of.data(2)])
    for reduction, since in (("add", 16), ("mul", 16), ("max", 18), ("min", 18)):
        if of.version >= since:
            yield Variant(reduction, {"reduction": reduction}, [x, np.array([[1], [1]]), of.data(2, 3)])


@_for("Expand")
def _expand(of: Of) -> Iterator[Variant]:
    for shape in ((2, 3, 4), (3, 1), (1,), (3, 4)):
        yield Variant(str(shape), {}, [of.data(3, 1), ints(*shape)], fixed=(1,))
    yield Variant("at run time", {}, [of.data(3, 1), ints(2, 3, 4)])


@_for("Tile")
def _tile(of: Of) -> Iterator[Variant]:
    yield Variant("", {}, [of.data(2, 3), ints(2, 3)], fixed=(1,))
    yield Variant("none", {}, [of.data(2, 3), ints(0, 1)], fixed=(1,))
    yield Variant("at run time", {}, [of.data(2, 3), ints(2, 1)])


@_for("Pad")
def _pad(of: Of) -> Iterator[Variant]:
    x = of.data(3, 4)
    modes = ("constant", "reflect", "edge", *(("wrap",) if of.version >= 19 else ()))
    for mode in modes:
        for pads in ((0, 1, 0, 2), (1, 0, 2, 3), (0, -1, 0, 0), (-1, 1, 0, -2)):
            if mode == "wrap" and min(pads) < 0:
                continue
            label = f"{mode}{pads}"
            if of.version < 11:
                yield Variant(label, {"mode": mode, "pads": list(pads)}, [x])
            else:
                yield Variant(label, {"mode": mode}, [x, ints(*pads)], fixed=(1,))
    if of.version < 11:
        yield Variant("value", {"pads": [1, 1, 1, 1], "value": 2.5}, [x])
        return
    value = np.array(2, of.dtype)
    yield Variant("value", {}, [x, ints(1, 1, 1, 1), value], fixed=(1, 2))
    yield Variant("value at run time", {}, [x, ints(1, 1, 1, 1), value], fixed=(1,))
    if of.version >= 18:
        yield Variant("axes", {}, [x, ints(1, 2), value, ints(1)], fixed=(1, 2, 3))
        yield Variant("axes reflect", {"mode": "reflect"}, [x, ints(1, 2), None, ints(-2)], fixed=(1, 3))


@_for("DepthToSpace", "SpaceToDepth")
def _blocks(of: Of) -> Iterator[Variant]:
    x = of.data(1, 8, 2, 4)
    yield Variant("", {"blocksize": 2}, [x])
    modes = of.version >= (11 if _current == "DepthToSpace" else 28)
    for mode in ("DCR", "CRD") if modes else ():
        yield Variant(mode, {"blocksize": 2, "mode": mode}, [x])


@_for("Resize")
def _resize(of: Of) -> Iterator[Variant]:
    x = of.data(1, 2, 4, 5)
    up, down = np.array([1, 1, 2, 1.5], np.float32), np.array([1, 1, 0.6, 0.5], np.float32)
    if of.version < 11:
        for mode, scales in itertools.product(("nearest", "linear"), (up, down)):
            yield Variant(f"{mode}{scales[2]:.1f}", {"mode": mode}, [x, scales], fixed=(1,))
        return
    none = [None] if of.version >= 13 else [np.zeros(0, np.float32)]
    coordinates = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    coordinates += ["half_pixel_symmetric"] if of.version >= 19 else []
    for mode, how, scales in itertools.product(("nearest", "linear", "cubic"), coordinates, (up, down)):
        attributes = {"mode": mode, "coordinate_transformation_mode": how}
        label = f"{mode} {how} {scales[2]:.1f}"
        if of.version >= 13:
            yield Variant(label, attributes, [x, None, scales], fixed=(2,))
        else:
            yield Variant(label, attributes, [x, *none, scales], fixed=(1, 2))
        size = ints(1, 2, 7, 3)
        last = [x, None, None, size] if of.version >= 13 else [x, *none, np.zeros(0, np.float32), size]
        if scales is up:
            yield Variant(
                f"{mode} {how} size", attributes, last, fixed=tuple(i for i in (1, 2, 3) if last[i] is not None)
            )
    for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        first = [x, None] if of.version >= 13 else [x, *none]
        fixed = (2,) if of.version >= 13 else (1, 2)
        yield Variant(rounding, {"nearest_mode": rounding}, [*first, up], fixed=fixed)
        how = {"nearest_mode": rounding, "coordinate_transformation_mode": "asymmetric"}
        yield Variant(f"asymmetric {rounding}", how, [*first, down], fixed=fixed)
        # Some positions are half-way between two elements, but for the rounding of the scale.
        for scale in (0.3, 0.6, 0.7, 1.7):
            row = [of.data(1, 1, 1, 9), *first[1:], np.array([1, 1, 1, scale], np.float32)]
            yield Variant(f"half-way {rounding} {scale}", {"nearest_mode": rounding}, row, fixed=fixed)
    if of.version >= 13:
        region = np.array([0, 0, 0.2, 0.1, 1, 1, 0.8, 0.9], np.float32)
        crop = {"coordinate_transformation_mode": "tf_crop_and_resize", "mode": "linear", "extrapolation_value": 7.0}
        yield Variant("crop", crop, [x, region, None, ints(1, 2, 3, 3)], fixed=(1, 3))
        yield Variant(
            "cubic outside", {"mode": "cubic", "exclude_outside": 1, "cubic_coeff_a": -0.5}, [x, None, up], fixed=(2,)
        )
    if of.version >= 18:
        yield Variant("axes", {"axes": [2, 3]}, [x, None, up[2:]], fixed=(2,))
        yield Variant(
            "axes turned", {"axes": [3, 2], "mode": "linear"}, [x, None, np.array([1.5, 2], np.float32)], fixed=(2,)
        )
        yield Variant("antialias", {"antialias": 1, "mode": "linear"}, [x, None, down], fixed=(2,))
        for policy in ("not_larger", "not_smaller"):
            attributes = {"keep_aspect_ratio_policy": policy, "axes": [2, 3]}
            yield Variant(policy, attributes, [x, None, None, ints(7, 8)], fixed=(3,))


@_for("Upsample")
def _upsample(of: Of) -> Iterator[Variant]:
    x = of.data(1, 2, 3, 4)
    for mode, scales in itertools.product(("nearest", "linear"), ([1.0, 1.0, 2.0, 3.0], [1.0, 1.0, 1.5, 2.0])):
        label = f"{mode}{scales[2]}"
        if of.version < 9:
            yield Variant(label, {"mode": mode, "scales": scales}, [x])
        else:
            yield Variant(label, {"mode": mode}, [x, np.array(scales, np.float32)], fixed=(1,))


@_for("TopK")
def _top_k(of: Of) -> Iterator[Variant]:
    x = of.data(3, 5)
    if of.version < 10:
        yield Variant("", {"k": 2}, [x], outputs=2)
        yield Variant("axis", {"k": 2, "axis": 0}, [x], outputs=2)
        return
    yield Variant("", {}, [x, ints(2)], 2, (1,))
    yield Variant("axis", {"axis": 0}, [x, ints(3)], 2, (1,))
    yield Variant("at run time", {}, [x, ints(2)], 2)
    yield Variant("ties", {}, [np.ones((2, 4), of.dtype), ints(3)], 2, (1,))
    if of.version >= 11:
        yield Variant("smallest", {"largest": 0}, [x, ints(2)], 2, (1,))
        yield Variant("smallest ties", {"largest": 0}, [np.ones((2, 4), of.dtype), ints(3)], 2, (1,))


@_for("OneHot")
def _one_hot(of: Of) -> Iterator[Variant]:
    values = np.array([0, 2], of.dtype)
    for axis in (-1, 0, 1):
        yield Variant(str(axis), {"axis": axis}, [np.array([[1, 0], [2, 5]]), one(4), values], fixed=(1, 2))
    if of.version >= 11:
        yield Variant("negative", {}, [ints(-1, -4, -5, 3), one(4), values], fixed=(1, 2))
    yield Variant(
        "float indices", {}, [np.array([1.0, 2.0], np.float32), np.array([4], np.float32), values], fixed=(1,)
    )


@_for("CumSum")
def _cumsum(of: Of) -> Iterator[Variant]:
    for axis, exclusive, reverse in ((0, 0, 0), (1, 1, 0), (-1, 0, 1), (1, 1, 1)):
        attributes = {"exclusive": exclusive, "reverse": reverse}
        yield Variant(f"{axis}{exclusive}{reverse}", attributes, [of.data(3, 4), one(axis)], fixed=(1,))
    yield Variant("int32 axis at run time", {}, [of.data(3, 4), one(1, "int32")])


@_for("Trilu")
def _trilu(of: Of) -> Iterator[Variant]:
    for upper, k in itertools.product((0, 1), (None, 1, -1, 9)):
        inputs = [] if k is None else [one(k)]
        yield Variant(f"{upper}{k}", {"upper": upper}, [of.data(2, 3, 4), *inputs], fixed=(1,) if inputs else ())


@_for("Range")
def _range(of: Of) -> Iterator[Variant]:
    for bounds in ((0, 5, 1), (5, 0, -2), (2, 2, 1)):
        yield Variant(str(bounds), {}, [np.array(b, of.dtype) for b in bounds], fixed=(0, 1, 2))


@_for("ConstantOfShape")
def _constant_of_shape(of: Of) -> Iterator[Variant]:
    value = onnx.numpy_helper.from_array(of.data(1), "value")
    yield Variant("", {"value": value}, [ints(2, 3)], fixed=(0,))
    yield Variant("default", {}, [ints(2, 0)], fixed=(0,))
    yield Variant("at run time", {"value": value}, [ints(2, 3)])


@_for("Compress")
def _compress(of: Of) -> Iterator[Variant]:
    yield Variant("axis", {"axis": 0}, [of.data(3, 2), np.array([False, True, True])], fixed=(1,))
    yield Variant("flat", {}, [of.data(3, 2), np.array([False, True, True, False, True])])


@_for("Unique")
def _unique(of: Of) -> Iterator[Variant]:
    x = of.data(6, high=2)
    yield Variant("", {}, [x], outputs=4)
    yield Variant("unsorted", {"sorted": 0}, [x], outputs=4)
    yield Variant("axis", {"axis": 0}, [of.data(4, 2, high=1)], outputs=4)


@_for("ReverseSequence")
def _reverse_sequence(of: Of) -> Iterator[Variant]:
    x = of.data(4, 3)
    yield Variant("", {}, [x, ints(1, 3, 4)])
    yield Variant("batch first", {"batch_axis": 0, "time_axis": 1}, [x, ints(1, 2, 3, 1)])


@_for("QuantizeLinear")
def _quantize(of: Of) -> Iterator[Variant]:
    x, scale = of.data(2, 3, 4, high=40), np.array(0.25, of.dtype)
    for zero in (np.array(3, np.uint8), np.array(-3, np.int8)):
        yield Variant(str(zero.dtype), {}, [x, scale, zero], fixed=(1, 2))
    yield Variant("no zero", {}, [x, scale], fixed=(1,))
    yield Variant(
        "ties",
        {},
        [np.array([0.5, 1.5, 2.5, -0.5], of.dtype), np.array(1, of.dtype), np.array(0, np.int8)],
        fixed=(1, 2),
    )
    if of.version >= 13:
        scales = np.array([0.1, 0.2, 0.3], of.dtype)
        yield Variant("axis", {}, [x, scales, np.zeros(3, np.uint8)], fixed=(1, 2))
        yield Variant("last axis", {"axis": -1}, [x, of.data(4, low=0.1, high=1), np.zeros(4, np.int8)], fixed=(1, 2))
    if of.version >= 21:
        yield Variant("int16", {}, [x, scale, np.array(5, np.int16)], fixed=(1, 2))
        blocked = [x, of.data(2, 3, 2, low=0.1, high=1), np.zeros((2, 3, 2), np.int8)]
        yield Variant("blocks", {"axis": 2, "block_size": 2}, blocked, fixed=(1, 2))
        yield Variant("output type", {"output_dtype": 3}, [x, scale], fixed=(1,))


@_for("DequantizeLinear")
def _dequantize(of: Of) -> Iterator[Variant]:
    x = of.data(2, 3, 4, high=40)
    zero = np.array(1, of.dtype)
    scale = np.array(0.25, np.float32)
    yield Variant("", {}, [x, scale], fixed=(1,))
    if of.dtype != "int32":
        yield Variant("zero", {}, [x, scale, zero], fixed=(1, 2))
    if of.version >= 13:
        scales = np.array([0.1, 0.2, 0.3], np.float32)
        yield Variant("axis", {}, [x, scales, np.zeros(3, of.dtype)], fixed=(1, 2))
        yield Variant("last axis", {"axis": -1}, [x, np.array([0.1, 0.2, 0.3, 0.4], np.float32)], fixed=(1,))
    if of.version >= 19:
        yield Variant("half", {}, [x, scale.astype(np.float16)], fixed=(1,))
    if of.version >= 21:
        yield Variant(
            "blocks",
            {"axis": 1, "block_size": 2},
            [of.data(2, 4), np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)],
            fixed=(1,),
        )


@_for("DynamicQuantizeLinear")
def _dynamic_quantize(of: Of) -> Iterator[Variant]:
    yield Variant("", {}, [of.data(3, 4)], outputs=3)
    yield Variant("positive", {}, [of.data(3, 4, low=1)], outputs=3)


@_for("ConvInteger")
def _conv_integer(of: Of) -> Iterator[Variant]:
    x, w = of.data(1, 2, 5, 5, low=0, high=9), of.data(3, 2, 3, 3, low=0, high=9)
    zero = np.array(2, of.dtype)
    yield Variant("", {}, [x, w], fixed=(1,))
    yield Variant("zeros", {"pads": [1, 1, 1, 1], "strides": [2, 2]}, [x, w, zero, zero], fixed=(1, 2, 3))


@_for("MatMulInteger")
def _matmul_integer(of: Of) -> Iterator[Variant]:
    a, b = of.data(2, 3, low=0, high=9), of.data(3, 4, low=0, high=9)
    zero = np.array(2, of.dtype)
    yield Variant("", {}, [a, b], fixed=(1,))
    yield Variant("zeros", {}, [a, b, zero, zero], fixed=(1, 2, 3))
    yield Variant("columns", {}, [a, b, zero, np.arange(4).astype(of.dtype)], fixed=(1, 2, 3))


def _quantised(of: Of, *values: float) -> list[np.ndarray]:
    return [np.array(v, np.float32) for v in values]


@_for("QLinearMatMul")
def _qlinear_matmul(of: Of) -> Iterator[Variant]:
    a, b = of.data(2, 3, low=0, high=60), of.data(3, 4, low=0, high=60)
    zero = np.array(3, of.dtype)
    scale, fine = np.array(0.1, np.float32), np.array(0.5, np.float32)
    yield Variant("", {}, [a, scale, zero, b, scale, zero, fine, zero], fixed=(1, 2, 3, 4, 5, 6, 7))


@_for("QLinearConv")
def _qlinear_conv(of: Of) -> Iterator[Variant]:
    x, w = of.data(1, 2, 5, 5, low=0, high=60), of.data(3, 2, 3, 3, low=0, high=60)
    zero, scale = np.array(3, of.dtype), np.array(0.1, np.float32)
    coarse = np.array(3.0, np.float32)
    weights = [w, scale, zero]
    last = [coarse, zero]
    fixed = tuple(range(1, 9))
    yield Variant("", {"pads": [1, 1, 1, 1]}, [x, scale, zero, *weights, *last], fixed=fixed[:7])
    bias = np.array([100, -50, 7], np.int32)
    yield Variant("bias", {}, [x, scale, zero, *weights, *last, bias], fixed=fixed)
    by_channel = [w, np.array([0.1, 0.2, 0.3], np.float32), np.zeros(3, of.dtype)]
    yield Variant("channels", {}, [x, scale, zero, *by_channel, *last, bias], fixed=fixed)


def _recurrent(of: Of, gates: int) -> Iterator[tuple[str, dict[str, Any], list[Any]]]:
    steps, batch, size, hidden = 3, 2, 4, 3

    def weights(directions: int) -> list[np.ndarray]:
        return [
            of.data(directions, gates * hidden, size, low=-1, high=1),
            of.data(directions, gates * hidden, hidden, low=-1, high=1),
            of.data(directions, 2 * gates * hidden, low=-1, high=1),
        ]

    x, initial = of.data(steps, batch, size, low=-1, high=1), of.data(1, batch, hidden)
    yield "", {}, [x, *weights(1)[:2]]
    yield "bias", {}, [x, *weights(1)]
    yield "reverse", {"direction": "reverse"}, [x, *weights(1)]
    yield "both", {"direction": "bidirectional"}, [x, *weights(2)]
    yield "lengths", {}, [x, *weights(1), np.array([3, 1], np.int32)]
    yield "lengths reverse", {"direction": "reverse"}, [x, *weights(1), np.array([1, 2], np.int32)]
    yield "initial", {}, [x, *weights(1), None, initial]
    yield "clip", {"clip": 0.4}, [x, *weights(1)]
    if of.version >= 14:
        yield "batch first", {"layout": 1}, [x.swapaxes(0, 1).copy(), *weights(1)]
        yield "batch first both", {"layout": 1, "direction": "bidirectional"}, [x.swapaxes(0, 1).copy(), *weights(2)]


@_for("RNN")
def _rnn(of: Of) -> Iterator[Variant]:
    every = list(_recurrent(of, 1))
    for label, attributes, inputs in every:
        yield Variant(label, {"hidden_size": 3} | attributes, inputs, 2, (1, 2, 3) if len(inputs) > 3 else (1, 2))
    for name in ("Relu", "Sigmoid", "Softsign"):
        yield Variant(name, {"hidden_size": 3, "activations": [name]}, every[1][2], 2, (1, 2, 3))
    relu = {"hidden_size": 3, "activations": ["Relu", "Tanh"], "direction": "bidirectional"}
    yield Variant("mixed", relu, every[3][2], 2, (1, 2, 3))
    yield Variant("relu clip", {"hidden_size": 3, "activations": ["Relu"], "clip": 0.5}, every[1][2], 2, (1, 2, 3))
    affine = {"hidden_size": 3, "activations": ["Affine"], "activation_alpha": [0.5], "activation_beta": [0.1]}
    yield Variant("affine", affine, every[1][2], 2, (1, 2, 3))


@_for("GRU")
def _gru(of: Of) -> Iterator[Variant]:
    every = list(_recurrent(of, 3))
    for label, attributes, inputs in every:
        yield Variant(label, {"hidden_size": 3} | attributes, inputs, 2, (1, 2, 3) if len(inputs) > 3 else (1, 2))
    yield Variant("after", {"hidden_size": 3, "linear_before_reset": 1}, every[1][2], 2, (1, 2, 3))
    yield Variant("activations", {"hidden_size": 3, "activations": ["HardSigmoid", "Relu"]}, every[1][2], 2, (1, 2, 3))


@_for("LSTM")
def _lstm(of: Of) -> Iterator[Variant]:
    every = list(_recurrent(of, 4))
    for label, attributes, inputs in every:
        given = [*inputs, of.data(1, 2, 3)] if label == "initial" else inputs
        yield Variant(label, {"hidden_size": 3} | attributes, given, 3, (1, 2, 3) if len(inputs) > 3 else (1, 2))
    peepholes = [*every[1][2], None, None, None, of.data(1, 9)]
    yield Variant("peepholes", {"hidden_size": 3}, peepholes, 3, (1, 2, 3, 7))
    yield Variant("coupled", {"hidden_size": 3, "input_forget": 1}, every[1][2], 3, (1, 2, 3))


@_for("NonMaxSuppression")
def _nms(of: Of) -> Iterator[Variant]:
    corners = of.random.uniform(0, 1, (1, 6, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + np.float32(0.3)], axis=2)
    scores = of.random.random((1, 2, 6)).astype(np.float32)
    limits = [one(3), np.array(0.3, np.float32), np.array(0.1, np.float32)]
    yield Variant("", {}, [boxes, scores, *limits], fixed=(2, 3, 4))
    yield Variant("centre", {"center_point_box": 1}, [boxes, scores, *limits], fixed=(2, 3, 4))
    yield Variant("no count", {}, [boxes, scores], fixed=())


@_for("RoiAlign")
def _roi_align(of: Of) -> Iterator[Variant]:
    x = of.data(1, 2, 6, 6)
    rois, batch = np.array([[0, 0, 4, 4], [1, 1, 5, 3]], of.dtype), ints(0, 0)
    base = {"output_height": 2, "output_width": 2, "sampling_ratio": 2}
    yield Variant("", base, [x, rois, batch])
    yield Variant("max", base | {"mode": "max"}, [x, rois, batch])
    if of.version >= 16:
        yield Variant("old", base | {"coordinate_transformation_mode": "output_half_pixel"}, [x, rois, batch])


@_for("GridSample")
def _grid_sample(of: Of) -> Iterator[Variant]:
    x, grid = of.data(1, 2, 4, 4), of.data(1, 3, 3, 2, low=-1.2, high=1.2)
    names = ("bilinear", "nearest", "bicubic") if of.version < 20 else ("linear", "nearest", "cubic")
    for mode, padding in itertools.product(names, ("zeros", "border", "reflection")):
        yield Variant(f"{mode} {padding}", {"mode": mode, "padding_mode": padding}, [x, grid])
    yield Variant("corners", {"align_corners": 1}, [x, grid])


@_for("MaxUnpool")
def _max_unpool(of: Of) -> Iterator[Variant]:
    yield Variant(
        "", {"kernel_shape": [2, 2], "strides": [2, 2]}, [of.data(1, 1, 2, 2), np.array([[[[5, 7], [13, 15]]]])]
    )


@_for("MaxRoiPool")
def _max_roi_pool(of: Of) -> Iterator[Variant]:
    rois = np.array([[0, 0, 0, 3, 3], [0, 1, 1, 4, 4]], of.dtype)
    yield Variant("", {"pooled_shape": [2, 2]}, [of.data(1, 2, 6, 6), rois])


@_for("CenterCropPad")
def _center_crop_pad(of: Of) -> Iterator[Variant]:
    yield Variant("", {}, [of.data(5, 4), ints(3, 7)], fixed=(1,))
    yield Variant("axes", {"axes": [1]}, [of.data(5, 4), ints(3)], fixed=(1,))


@_for("Col2Im")
def _col2im(of: Of) -> Iterator[Variant]:
    yield Variant("", {}, [of.data(1, 5, 5), ints(5, 5), ints(1, 5)], fixed=(1, 2))


@_for("DFT")
def _dft(of: Of) -> Iterator[Variant]:
    x = of.data(1, 6, 1)
    for attributes in ({}, {"onesided": 1}, {"inverse": 1}):
        data = of.data(1, 6, 2) if "inverse" in attributes else x
        yield Variant(str(attributes), attributes, [data])


@_for("HannWindow", "HammingWindow", "BlackmanWindow")
def _window(of: Of) -> Iterator[Variant]:
    for periodic in (0, 1):
        yield Variant(str(periodic), {"periodic": periodic}, [one(6)], fixed=(0,))


@_for("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
def _loss(of: Of) -> Iterator[Variant]:
    x, target = of.data(3, 4), ints(1, 0, 3)
    for reduction in ("none", "mean", "sum"):
        yield Variant(reduction, {"reduction": reduction}, [x, target])
    yield Variant("weights", {}, [x, target, of.data(4, low=0.5)])
    yield Variant("ignored", {"ignore_index": 0}, [x, target])


@_for("Attention")
def _attention(of: Of) -> Iterator[Variant]:
    q, k, v = of.data(1, 2, 3, 4), of.data(1, 2, 5, 4), of.data(1, 2, 5, 4)
    yield Variant("", {}, [q, k, v])
    yield Variant("causal", {"is_causal": 1}, [q, k, v])
    yield Variant("mask", {"scale": 0.3}, [q, k, v, of.data(3, 5)])
    yield Variant("flat", {"q_num_heads": 2, "kv_num_heads": 2}, [of.data(1, 3, 8), of.data(1, 5, 8), of.data(1, 5, 8)])


_current = ""


def types_of(operator: str, version: int) -> list[str]:
    """The element types that the operator's first typed input takes."""
    if operator in ("QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"):
        return ["uint8", "int8"]
    schema = onnx.defs.get_schema(operator, version)
    position = {"Where": 1, "OneHot": 2, "Compress": 0}.get(operator, 0)
    if operator in ("HannWindow", "HammingWindow", "BlackmanWindow", "NonMaxSuppression"):
        return ["float32"]
    if operator == "ConstantOfShape":
        return ["float32", "int64", "bool", "float16"]
    wanted = schema.inputs[position].types
    found = []
    for name in (*FLOATS, *INTEGERS, "bool"):
        onnx_name = {"float32": "float", "float64": "double"}.get(name, name)
        if f"tensor({onnx_name})" in wanted:
            found.append(name)
    return found


def variants(operator: str, version: int, dtype: str) -> list[Variant]:
    """Every variant of an operator in an operator set and a type."""
    global _current
    _current = operator
    seed = [*operator.encode(), version, *dtype.encode()]
    return list(GENERATORS[operator](Of(version, dtype, np.random.default_rng(seed))))


def versions(operator: str, lowest: int = 7) -> list[int]:
    """The operator sets from ``lowest`` on at which the operator changed, with the one in force at ``lowest``."""
    found = sorted(
        s.since_version for s in onnx.defs.get_all_schemas_with_history() if s.domain == "" and s.name == operator
    )
    early = [v for v in found if v <= lowest]
    late = [v for v in found if v > lowest]
    every = ([lowest] if early else []) + late
    return [v for v in every if not onnx.defs.get_schema(operator, v).deprecated]
