"""Operators on each element: arithmetic, comparisons, choices, types."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.conformance.random_graphs.builder import FLOATS, INTS, TYPES, Builder, Value, broadcast, onnx_type


def unary(b: Builder) -> None:
    x = b.pick(FLOATS)
    if x is None:
        return
    exact = b.draw(st.booleans())
    names = (
        ("Neg", "Abs", "Relu")
        if exact
        else ("Tanh", "Sigmoid", "Softplus", "Erf", "Sin", "LeakyRelu", "Elu", "HardSigmoid")
    )
    b.add(b.draw(st.sampled_from(names)), [x.name], [(x.dtype, x.shape, x.exact and exact)])


def jump(b: Builder) -> None:
    x = b.pick(FLOATS, exact=True)
    if x is not None:
        b.add(b.draw(st.sampled_from(("Floor", "Ceil", "Round", "Sign"))), [x.name], [(x.dtype, x.shape, True)])


def second(b: Builder, x: Value, exact: bool = False) -> Value:
    """An operand that broadcasts with ``x``: a value, or a constant with a suitable shape."""
    fitting = [
        v for v in b.values if v.dtype == x.dtype and (v.exact or not exact) and broadcast(v.shape, x.shape) is not None
    ]
    if b.draw(st.booleans()):
        return b.draw(st.sampled_from(fitting))
    shape = tuple(b.draw(st.sampled_from((e, 1))) for e in x.shape[b.draw(st.integers(0, len(x.shape))) :])
    return Value(b.constant(b.array(x.dtype, shape)), x.dtype, shape, True)


def binary(b: Builder) -> None:
    x = b.pick((*FLOATS, *INTS))
    if x is None:
        return
    y = second(b, x)
    shape = broadcast(x.shape, y.shape)
    if shape is None:
        return
    names = ("Add", "Sub", "Mul") if x.dtype in INTS else ("Add", "Sub", "Mul", "Max", "Min")
    operator = b.draw(st.sampled_from(names))
    exact = x.dtype in INTS or (operator in ("Max", "Min") and x.exact and y.exact)
    inputs = [x.name, y.name] if b.draw(st.booleans()) else [y.name, x.name]
    b.add(operator, inputs, [(x.dtype, shape, exact)])


def compare(b: Builder) -> None:
    x = b.pick((*FLOATS, *INTS), exact=True)
    if x is None:
        return
    y = second(b, x, exact=True)
    shape = broadcast(x.shape, y.shape)
    if shape is not None:
        b.add(b.draw(st.sampled_from(("Equal", "Less", "Greater"))), [x.name, y.name], [("bool", shape, True)])


def logic(b: Builder) -> None:
    x = b.pick(("bool",))
    if x is None:
        return
    y = second(b, x)
    shape = broadcast(x.shape, y.shape)
    if shape is not None:
        b.add(b.draw(st.sampled_from(("And", "Or", "Xor"))), [x.name, y.name], [("bool", shape, True)])


def choose(b: Builder) -> None:
    condition, x = b.pick(("bool",)), b.pick((*FLOATS, *INTS))
    if condition is None or x is None:
        return
    y = second(b, x)
    shape = broadcast(x.shape, y.shape)
    whole = None if shape is None else broadcast(shape, condition.shape)
    if whole is not None:
        b.add("Where", [condition.name, x.name, y.name], [(x.dtype, whole, x.exact and y.exact)])


def cast(b: Builder) -> None:
    x = b.pick()
    if x is None:
        return
    to = b.draw(st.sampled_from(TYPES))
    if not x.exact and to not in FLOATS:
        return
    wide = x.dtype in ("bool", *INTS) or to not in ("float16",)
    b.add("Cast", [x.name], [(to, x.shape, x.exact and wide)], to=onnx_type(to))


def clip(b: Builder) -> None:
    x = b.pick((*FLOATS, *INTS))
    if x is not None:
        bounds = [b.constant(np.array(v, x.dtype)) for v in (-1, 2)]
        names = b.draw(st.sampled_from((bounds, bounds[:1], ["", bounds[1]])))
        b.add("Clip", [x.name, *names], [(x.dtype, x.shape, x.exact)])


def quantise(b: Builder) -> None:
    x = b.pick(("float32",), exact=True)
    if x is not None:
        scale, zero = b.constant(np.array(0.25, np.float32)), b.constant(np.array(3, np.uint8))
        (q,) = b.add("QuantizeLinear", [x.name, scale, zero], [("uint8", x.shape, True)])
        b.values.remove(q)
        b.add("DequantizeLinear", [q.name, scale, zero], [("float32", x.shape, True)])
