"""Common parts of the generators of variants."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

FLOATS = ("float32", "float64", "float16")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = (*SIGNED, *UNSIGNED)


class Variant(NamedTuple):
    """One way to use an operator.

    Attributes:
        label: short description.
        attributes: attributes of the node.
        inputs: arrays in order; ``None`` for an omitted input.
        outputs: number of requested outputs.
        fixed: indices of inputs that are constants in models (axes, shapes, scales).
    """

    label: str
    attributes: dict[str, Any]
    inputs: list[Any]
    outputs: int = 1
    fixed: tuple[int, ...] = ()


class Of(NamedTuple):
    """The operator, version and type for which variants are generated."""

    operator: str
    version: int
    dtype: str
    random: np.random.Generator

    def data(self, *shape: int, low: float = -3, high: float = 3) -> np.ndarray:
        """Random values of the type; integers are small."""
        kind = np.dtype(self.dtype).kind
        if kind == "b":
            return np.asarray(self.random.random(shape) < 0.5)
        if kind == "f":
            return self.random.uniform(low, high, shape).astype(self.dtype)
        low = max(low, 0) if kind == "u" else low
        return self.random.integers(math.floor(low), math.ceil(high) + 1, shape).astype(self.dtype)

    @property
    def is_float(self) -> bool:
        return np.dtype(self.dtype).kind == "f"


Generator = Callable[[Of], Iterator[Variant]]
GENERATORS: dict[str, Generator] = {}


def for_operators(*operators: str) -> Callable[[Generator], Generator]:
    """Register a generator for the operators."""

    def add(generator: Generator) -> Generator:
        GENERATORS.update(dict.fromkeys(operators, generator))
        return generator

    return add


def ints(*values: int, dtype: str = "int64") -> np.ndarray:
    return np.array(values, dtype)


def one(value: Any, dtype: str = "int64") -> np.ndarray:
    return np.array(value, dtype)
