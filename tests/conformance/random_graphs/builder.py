"""What random graphs are built from: values that know their type and shape, and the graph on its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper

FLOATS = ("float32", "float64", "float16")
INTS = ("int32", "int64")
TYPES = (*FLOATS, *INTS, "bool")
MOST_ELEMENTS = 2000


class Value(NamedTuple):
    """A value of the graph."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    exact: bool


def onnx_type(dtype: str) -> int:
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def info(value: Value) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(value.name, onnx_type(value.dtype), value.shape)


class Builder:
    """A graph under construction; ``draw`` makes all choices."""

    def __init__(self, draw: Callable[[Any], Any], opset: int, depth: int = 0, prefix: str = "") -> None:
        self.draw = draw
        self.opset = opset
        self.depth = depth
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.values: list[Value] = []
        self.constants: dict[str, np.ndarray] = {}
        self.functions: list[onnx.FunctionProto] = []
        self.operators: list[str] = []
        self.count = 0

    def name(self) -> str:
        self.count += 1
        return f"{self.prefix}v{self.count}"

    def array(self, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        random = np.random.default_rng(self.draw(st.integers(0, 2**16)))
        if dtype == "bool":
            return np.asarray(random.random(shape) < 0.5)
        if dtype in INTS:
            return np.asarray(random.integers(-4, 5, shape)).astype(dtype)
        return np.asarray(random.integers(-12, 13, shape) / 4).astype(dtype)

    def constant(self, value: np.ndarray) -> str:
        name = self.name()
        self.constants[name] = value
        return name

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def add(
        self, operator: str, inputs: list[str], made: list[tuple[str, tuple[int, ...], bool]], **attributes: Any
    ) -> list[Value]:
        outs = [Value(self.name(), *m) for m in made]
        self.nodes.append(helper.make_node(operator, inputs, [o.name for o in outs], **attributes))
        self.values += outs
        self.operators.append(operator)
        return outs

    def pick(
        self, dtypes: tuple[str, ...] = TYPES, rank: int = 0, exact: bool = False, full: bool = False
    ) -> Value | None:
        """A suitable value; ``None`` if there is none."""
        fitting = [
            v for v in self.values
            if v.dtype in dtypes and len(v.shape) >= rank and (v.exact or not exact) and (0 not in v.shape or not full)
        ]  # fmt: skip
        return self.draw(st.sampled_from(fitting)) if fitting else None


def broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        shape = np.broadcast_shapes(a, b)
    except ValueError:
        return None
    return shape if np.prod(shape) <= MOST_ELEMENTS else None
