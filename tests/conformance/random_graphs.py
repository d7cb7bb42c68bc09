"""Valid random graphs for hypothesis: mixed types, extents of 0 and 1, broadcasting, control flow, functions.

Every value has a type, a shape, and a flag whether it is exact. Discontinuous operators (rounding, comparisons,
sorting) only get exact values, because a difference in the last bit could change their results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper, numpy_helper

FLOATS = ("float32", "float64", "float16")
INTS = ("int32", "int64")
TYPES = (*FLOATS, *INTS, "bool")
_MOST_ELEMENTS = 2000


class Value(NamedTuple):
    """A value of the graph."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    exact: bool


class Graph(NamedTuple):
    """A model, its inputs, and the operators in it."""

    model: onnx.ModelProto
    feeds: dict[str, np.ndarray]
    operators: tuple[str, ...]


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


def _unary(b: Builder) -> None:
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


def _jump(b: Builder) -> None:
    x = b.pick(FLOATS, exact=True)
    if x is not None:
        b.add(b.draw(st.sampled_from(("Floor", "Ceil", "Round", "Sign"))), [x.name], [(x.dtype, x.shape, True)])


def _second(b: Builder, x: Value, exact: bool = False) -> Value:
    """An operand that broadcasts with ``x``: a value, or a constant with a suitable shape."""
    fitting = [
        v
        for v in b.values
        if v.dtype == x.dtype and (v.exact or not exact) and _broadcast(v.shape, x.shape) is not None
    ]
    if b.draw(st.booleans()):
        return b.draw(st.sampled_from(fitting))
    shape = tuple(b.draw(st.sampled_from((e, 1))) for e in x.shape[b.draw(st.integers(0, len(x.shape))) :])
    return Value(b.constant(b.array(x.dtype, shape)), x.dtype, shape, True)


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        shape = np.broadcast_shapes(a, b)
    except ValueError:
        return None
    return shape if np.prod(shape) <= _MOST_ELEMENTS else None


def _binary(b: Builder) -> None:
    x = b.pick((*FLOATS, *INTS))
    if x is None:
        return
    y = _second(b, x)
    shape = _broadcast(x.shape, y.shape)
    if shape is None:
        return
    names = ("Add", "Sub", "Mul") if x.dtype in INTS else ("Add", "Sub", "Mul", "Max", "Min")
    operator = b.draw(st.sampled_from(names))
    exact = x.dtype in INTS or (operator in ("Max", "Min") and x.exact and y.exact)
    inputs = [x.name, y.name] if b.draw(st.booleans()) else [y.name, x.name]
    b.add(operator, inputs, [(x.dtype, shape, exact)])


def _compare(b: Builder) -> None:
    x = b.pick((*FLOATS, *INTS), exact=True)
    if x is None:
        return
    y = _second(b, x, exact=True)
    shape = _broadcast(x.shape, y.shape)
    if shape is not None:
        b.add(b.draw(st.sampled_from(("Equal", "Less", "Greater"))), [x.name, y.name], [("bool", shape, True)])


def _logic(b: Builder) -> None:
    x = b.pick(("bool",))
    if x is None:
        return
    y = _second(b, x)
    shape = _broadcast(x.shape, y.shape)
    if shape is not None:
        b.add(b.draw(st.sampled_from(("And", "Or", "Xor"))), [x.name, y.name], [("bool", shape, True)])


def _where(b: Builder) -> None:
    condition, x = b.pick(("bool",)), b.pick((*FLOATS, *INTS))
    if condition is None or x is None:
        return
    y = _second(b, x)
    shape = _broadcast(x.shape, y.shape)
    whole = None if shape is None else _broadcast(shape, condition.shape)
    if whole is not None:
        b.add("Where", [condition.name, x.name, y.name], [(x.dtype, whole, x.exact and y.exact)])


def _cast(b: Builder) -> None:
    x = b.pick()
    if x is None:
        return
    to = b.draw(st.sampled_from(TYPES))
    if not x.exact and to not in FLOATS:
        return
    wide = x.dtype in ("bool", *INTS) or to not in ("float16",)
    b.add("Cast", [x.name], [(to, x.shape, x.exact and wide)], to=onnx_type(to))


def _reshape(b: Builder) -> None:
    x = b.pick()
    if x is None:
        return
    size = int(np.prod(x.shape))
    shapes = [(size,), (1, size), (size, 1)]
    shapes += [(d, size // d) for d in (2, 3, 4) if size % d == 0]
    shape = b.draw(st.sampled_from(shapes))
    if 0 in shape:
        return
    target = [-1 if e == size and b.draw(st.booleans()) else e for e in shape]
    b.add("Reshape", [x.name, b.integers(*target)], [(x.dtype, shape, x.exact)])


def _follow(b: Builder) -> None:
    """A shape computed from that of another value, as by exporters."""
    x = b.pick(full=True)
    if x is None:
        return
    same = [v for v in b.values if np.prod(v.shape) == np.prod(x.shape)]
    y = b.draw(st.sampled_from(same))
    (shape,) = b.add("Shape", [y.name], [("int64", (len(y.shape),), True)])
    b.add("Reshape", [x.name, shape.name], [(x.dtype, y.shape, x.exact)])


def _transpose(b: Builder) -> None:
    x = b.pick(rank=1)
    if x is not None:
        perm = b.draw(st.permutations(range(len(x.shape))))
        b.add("Transpose", [x.name], [(x.dtype, tuple(x.shape[p] for p in perm), x.exact)], perm=perm)


def _concat(b: Builder) -> None:
    x = b.pick(rank=1)
    if x is None:
        return
    axis = b.draw(st.integers(0, len(x.shape) - 1))
    fits = [
        v for v in b.values
        if v.dtype == x.dtype and len(v.shape) == len(x.shape)
        and all(s == t for i, (s, t) in enumerate(zip(v.shape, x.shape, strict=True)) if i != axis)
    ]  # fmt: skip
    parts = [x, *b.draw(st.lists(st.sampled_from(fits), max_size=2))]
    shape = list(x.shape)
    shape[axis] = sum(p.shape[axis] for p in parts)
    if np.prod(shape) <= _MOST_ELEMENTS:
        exact = all(p.exact for p in parts)
        b.add(
            "Concat",
            [p.name for p in parts],
            [(x.dtype, tuple(shape), exact)],
            axis=b.draw(st.sampled_from((axis, axis - len(shape)))),
        )


def _slice(b: Builder) -> None:
    x = b.pick(rank=1)
    if x is None:
        return
    axis = b.draw(st.integers(0, len(x.shape) - 1))
    start, end = b.draw(st.integers(-5, 5)), b.draw(st.integers(-5, 5))
    step = b.draw(st.sampled_from((1, 2, -1, -2)))
    size = x.shape[axis]
    low, high = (0, size) if step > 0 else (0, size - 1)
    first = min(max(start + size if start < 0 else start, low), high)
    last = end + size if end < 0 else end
    last = min(max(last, 0), size) if step > 0 else min(max(last, -1), size - 1)
    extent = max(0, -(-(last - first) // step)) if size else 0
    shape = (*x.shape[:axis], extent, *x.shape[axis + 1 :])
    names = [b.integers(v) for v in (start, end, axis, step)]
    b.add("Slice", [x.name, *names], [(x.dtype, shape, x.exact)])


def _reduce(b: Builder) -> None:
    x = b.pick((*FLOATS, *INTS), rank=1, full=True)
    if x is None:
        return
    names = (
        ("ReduceSum", "ReduceMax", "ReduceMin")
        if x.dtype in INTS
        else ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceL2", "ReduceMin")
    )
    operator = b.draw(st.sampled_from(names))
    axes = b.draw(st.lists(st.integers(0, len(x.shape) - 1), min_size=1, unique=True))
    keep = b.draw(st.integers(0, 1))
    shape = tuple(1 if i in axes else e for i, e in enumerate(x.shape) if keep or i not in axes)
    exact = x.dtype in INTS or (operator in ("ReduceMax", "ReduceMin") and x.exact)
    if b.opset >= (13 if operator == "ReduceSum" else 18):
        b.add(operator, [x.name, b.integers(*axes)], [(x.dtype, shape, exact)], keepdims=keep)
    else:
        b.add(operator, [x.name], [(x.dtype, shape, exact)], keepdims=keep, axes=axes)


def _softmax(b: Builder) -> None:
    x = b.pick(FLOATS, rank=1, full=True)
    if x is not None:
        axis = b.draw(st.integers(-len(x.shape), len(x.shape) - 1))
        b.add(b.draw(st.sampled_from(("Softmax", "LogSoftmax"))), [x.name], [(x.dtype, x.shape, False)], axis=axis)


def _arg(b: Builder) -> None:
    x = b.pick((*FLOATS, *INTS), rank=1, exact=True, full=True)
    if x is None:
        return
    axis, keep = b.draw(st.integers(0, len(x.shape) - 1)), b.draw(st.integers(0, 1))
    shape = tuple(1 if i == axis else e for i, e in enumerate(x.shape) if keep or i != axis)
    b.add(b.draw(st.sampled_from(("ArgMax", "ArgMin"))), [x.name], [("int64", shape, True)], axis=axis, keepdims=keep)


def _top_k(b: Builder) -> None:
    x = b.pick((*FLOATS, *INTS), rank=1, exact=True, full=True)
    if x is None or x.dtype == "float16":
        return
    axis = b.draw(st.integers(0, len(x.shape) - 1))
    count = b.draw(st.integers(1, x.shape[axis]))
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    k = b.integers(count)
    made = [(x.dtype, shape, True), ("int64", shape, True)]
    b.add("TopK", [x.name, k], made, axis=axis, largest=b.draw(st.integers(0, 1)))


def _matmul(b: Builder) -> None:
    x = b.pick(FLOATS, rank=1)
    if x is None:
        return
    width = b.draw(st.integers(1, 4))
    weights = b.constant(b.array(x.dtype, (x.shape[-1], width)))
    b.add("MatMul", [x.name, weights], [(x.dtype, (*x.shape[:-1], width), False)])


def _gather(b: Builder) -> None:
    x = b.pick(rank=1, full=True)
    if x is None:
        return
    axis = b.draw(st.integers(0, len(x.shape) - 1))
    size = x.shape[axis]
    indices = b.draw(st.lists(st.integers(-size, size - 1), max_size=4))
    scalar = bool(indices) and b.draw(st.booleans())
    value = np.array(indices[0] if scalar else indices, np.int64)
    shape = (*x.shape[:axis], *value.shape, *x.shape[axis + 1 :])
    b.add("Gather", [x.name, b.constant(value)], [(x.dtype, shape, x.exact)], axis=axis)


def _unsqueeze(b: Builder) -> None:
    x = b.pick()
    if x is None or len(x.shape) > 4:
        return
    axis = b.draw(st.integers(0, len(x.shape)))
    shape = (*x.shape[:axis], 1, *x.shape[axis:])
    b.add("Unsqueeze", [x.name, b.integers(axis)], [(x.dtype, shape, x.exact)])


def _squeeze(b: Builder) -> None:
    x = b.pick(rank=1)
    if x is not None and 1 in x.shape:
        axis = x.shape.index(1)
        b.add("Squeeze", [x.name, b.integers(axis)], [(x.dtype, (*x.shape[:axis], *x.shape[axis + 1 :]), x.exact)])


def _expand(b: Builder) -> None:
    x = b.pick()
    if x is None:
        return
    shape = tuple(b.draw(st.integers(1, 3)) if e == 1 else e for e in x.shape)
    shape = (b.draw(st.integers(1, 2)), *shape)
    if np.prod(shape) <= _MOST_ELEMENTS and len(shape) < 5:
        b.add("Expand", [x.name, b.integers(*shape)], [(x.dtype, shape, x.exact)])


def _pad(b: Builder) -> None:
    x = b.pick((*FLOATS, *INTS), rank=1, full=True)
    if x is None:
        return
    rank = len(x.shape)
    pads = [b.draw(st.integers(-1 if x.shape[i % rank] > 2 else 0, 2)) for i in range(2 * rank)]
    shape = tuple(e + pads[i] + pads[rank + i] for i, e in enumerate(x.shape))
    if np.prod(shape) <= _MOST_ELEMENTS:
        b.add("Pad", [x.name, b.integers(*pads)], [(x.dtype, shape, x.exact)])


def _split(b: Builder) -> None:
    x = b.pick(rank=1)
    if x is None:
        return
    axis = b.draw(st.integers(0, len(x.shape) - 1))
    first = b.draw(st.integers(0, x.shape[axis]))
    parts = [first, x.shape[axis] - first]
    made = [(x.dtype, (*x.shape[:axis], p, *x.shape[axis + 1 :]), x.exact) for p in parts]
    b.add("Split", [x.name, b.integers(*parts)], made, axis=axis)


def _cumsum(b: Builder) -> None:
    x = b.pick(("float32", "float64", *INTS), rank=1)
    if x is not None:
        axis = b.constant(np.array(b.draw(st.integers(0, len(x.shape) - 1)), np.int64))
        flags = {"exclusive": b.draw(st.integers(0, 1)), "reverse": b.draw(st.integers(0, 1))}
        b.add("CumSum", [x.name, axis], [(x.dtype, x.shape, x.dtype in INTS)], **flags)


def _clip(b: Builder) -> None:
    x = b.pick((*FLOATS, *INTS))
    if x is not None:
        bounds = [b.constant(np.array(v, x.dtype)) for v in (-1, 2)]
        names = b.draw(st.sampled_from((bounds, bounds[:1], ["", bounds[1]])))
        b.add("Clip", [x.name, *names], [(x.dtype, x.shape, x.exact)])


def _layer_norm(b: Builder) -> None:
    x = b.pick(("float32", "float64"), rank=2, full=True)
    if x is not None and b.opset >= 17 and x.shape[-1] > 1:
        scale = b.constant(b.array(x.dtype, x.shape[-1:]))
        b.add("LayerNormalization", [x.name, scale], [(x.dtype, x.shape, False)], epsilon=0.1)


def _conv(b: Builder) -> None:
    x = b.pick(("float32",), rank=3, full=True)
    if x is None or len(x.shape) > 4:
        return
    spatial = len(x.shape) - 2
    weights = b.constant(b.array("float32", (2, x.shape[1], *([2] * spatial))))
    b.add(
        "Conv",
        [x.name, weights],
        [("float32", (x.shape[0], 2, *(e + 1 for e in x.shape[2:])), False)],
        pads=[1] * 2 * spatial,
    )


def _quantise(b: Builder) -> None:
    x = b.pick(("float32",), exact=True)
    if x is not None:
        scale, zero = b.constant(np.array(0.25, np.float32)), b.constant(np.array(3, np.uint8))
        (q,) = b.add("QuantizeLinear", [x.name, scale, zero], [("uint8", x.shape, True)])
        b.values.remove(q)
        b.add("DequantizeLinear", [q.name, scale, zero], [("float32", x.shape, True)])


def _body(b: Builder, inputs: list[Value], steps: int) -> Builder:
    inner = Builder(b.draw, b.opset, b.depth + 1, f"{b.prefix}{b.name()}_")
    inner.values = list(inputs)
    for _ in range(steps):
        b.draw(st.sampled_from(_PLAIN))(inner)
    b.operators += inner.operators
    return inner


def _like(inner: Builder, wanted: Value) -> str:
    """A result with the type and shape of ``wanted``, from the values of the body."""
    same = [v for v in inner.values if (v.dtype, v.shape) == (wanted.dtype, wanted.shape)]
    found = inner.draw(st.sampled_from(same)) if same else None
    name = found.name if found else inner.constant(inner.array(wanted.dtype, wanted.shape))
    return inner.add("Identity", [name], [(wanted.dtype, wanted.shape, True)])[0].name


def _graph(
    inner: Builder, name: str, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]
) -> onnx.GraphProto:
    constants = [numpy_helper.from_array(v, n) for n, v in inner.constants.items()]
    return helper.make_graph(inner.nodes, name, inputs, outputs, constants)


def _if(b: Builder) -> None:
    condition, x = b.pick(("bool",), full=True), b.pick()
    if condition is None or x is None or b.depth > 1:
        return
    branches = []
    for label in ("then", "else"):
        inner = _body(b, b.values, b.draw(st.integers(0, 2)))
        out = Value(_like(inner, x), x.dtype, x.shape, False)
        branches.append(_graph(inner, label, [], [info(out)]))
    (flat,) = b.add("Reshape", [condition.name, b.integers(-1)], [("bool", (int(np.prod(condition.shape)),), True)])
    (chosen,) = b.add("Gather", [flat.name, b.constant(np.array(0, np.int64))], [("bool", (), True)])
    b.add("If", [chosen.name], [(x.dtype, x.shape, False)], then_branch=branches[0], else_branch=branches[1])


def _loop(b: Builder) -> None:
    x = b.pick()
    if x is None or b.depth > 0 or np.prod(x.shape) > 200:
        return
    count = b.draw(st.integers(0, 3))
    prefix = b.name()
    step, going = Value(f"{prefix}i", "int64", (), True), Value(f"{prefix}c", "bool", (), True)
    carried = Value(f"{prefix}x", x.dtype, x.shape, False)
    inner = _body(b, [step, going, carried], b.draw(st.integers(0, 3)))
    # If the body may end the loop, the number of rows is only known at run time.
    whole = b.draw(st.booleans())
    again = inner.add("Identity", [going.name], [("bool", (), True)])[0].name if whole else _like(inner, going)
    outs = [
        Value(again, "bool", (), True),
        Value(_like(inner, carried), x.dtype, x.shape, False),
        Value(_like(inner, carried), x.dtype, x.shape, False),
    ]
    body = _graph(inner, "body", [info(v) for v in (step, going, carried)], [info(v) for v in outs])
    trips = b.constant(np.array(count, np.int64))
    condition = "" if b.draw(st.booleans()) else b.constant(np.array(True))
    made = [(x.dtype, x.shape, False), (x.dtype, (count, *x.shape), False)]
    outputs = b.add("Loop", [trips, condition, x.name], made, body=body)
    if not whole:
        b.values.remove(outputs[1])


def _scan(b: Builder) -> None:
    x = b.pick(("float32", "float64", *INTS), rank=1, full=True)
    if x is None or b.depth > 0:
        return
    prefix = b.name()
    state = Value(f"{prefix}s", x.dtype, x.shape[1:], False)
    element = Value(f"{prefix}e", x.dtype, x.shape[1:], False)
    inner = _body(b, [state, element], b.draw(st.integers(0, 2)))
    (total,) = inner.add("Add", [state.name, element.name], [(x.dtype, x.shape[1:], False)])
    out = Value(_like(inner, element), x.dtype, x.shape[1:], False)
    body = _graph(inner, "body", [info(state), info(element)], [info(total), info(out)])
    initial = b.constant(b.array(x.dtype, x.shape[1:]))
    made = [(x.dtype, x.shape[1:], False), (x.dtype, x.shape, False)]
    flags = {
        "scan_input_directions": [b.draw(st.integers(0, 1))],
        "scan_output_directions": [b.draw(st.integers(0, 1))],
    }
    b.add("Scan", [initial, x.name], made, body=body, num_scan_inputs=1, **flags)


def _call(b: Builder) -> None:
    """A model-local function with an attribute, explicit or by default."""
    x = b.pick(FLOATS)
    if x is None or b.depth > 0:
        return
    name = f"F{len(b.functions)}"
    leaky = helper.make_node("LeakyRelu", ["a"], ["t"])
    leaky.attribute.append(onnx.AttributeProto(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT))
    opsets = [helper.make_opsetid("", b.opset)]
    default = helper.make_attribute("slope", 0.5)
    function = helper.make_function(
        "local",
        name,
        ["a"],
        ["r"],
        [leaky, helper.make_node("Add", ["t", "a"], ["r"])],
        opsets,
        attribute_protos=[default],
    )
    b.functions.append(function)
    given = {"slope": 0.25} if b.draw(st.booleans()) else {}
    (out,) = b.add(name, [x.name], [(x.dtype, x.shape, False)], domain="local", **given)
    b.operators[-1] = "function"
    assert out


_PLAIN = [
    _unary, _jump, _binary, _compare, _logic, _where, _cast, _reshape, _follow, _transpose, _concat, _slice, _reduce,
    _softmax, _arg, _top_k, _matmul, _gather, _unsqueeze, _squeeze, _expand, _pad, _split, _cumsum, _clip, _layer_norm,
    _conv, _quantise,
]  # fmt: skip
_ALL = [*_PLAIN, _if, _loop, _scan, _call]


@st.composite
def graphs(draw: Callable[[Any], Any]) -> Graph:
    """A valid model and inputs for it."""
    b = Builder(draw, draw(st.sampled_from((13, 15, 17, 18, 20, 21))))
    inputs = []
    for _ in range(draw(st.integers(1, 3))):
        dtype = draw(st.sampled_from(TYPES))
        shape = tuple(draw(st.lists(st.sampled_from((1, 2, 3, 4, 0)), max_size=4)))
        inputs.append(Value(b.name(), dtype, shape, True))
    feeds = {v.name: b.array(v.dtype, v.shape) for v in inputs}
    b.values += inputs
    if draw(st.booleans()):
        # Constants as first operands, which are folded.
        x = draw(st.sampled_from(inputs))
        b.values.append(Value(b.constant(b.array(x.dtype, x.shape)), x.dtype, x.shape, True))
    for _ in range(draw(st.integers(1, 10))):
        draw(st.sampled_from(_ALL))(b)
    if not b.nodes:
        b.add("Identity", [inputs[0].name], [inputs[0][1:]])
    read = {name for node in b.nodes for name in node.input}
    made = {name for node in b.nodes for name in node.output}
    outputs = [v for v in b.values if v.name in made and v.name not in read] or b.values[-1:]
    if draw(st.booleans()):
        inner = [v for v in b.values if v.name in made and v not in outputs]
        outputs += draw(st.lists(st.sampled_from(inner), max_size=2, unique=True)) if inner else []
    constants = [numpy_helper.from_array(v, n) for n, v in b.constants.items()]
    graph = helper.make_graph(b.nodes, "random", [info(v) for v in inputs], [info(v) for v in outputs], constants)
    imports = [helper.make_opsetid("", b.opset), helper.make_opsetid("local", 1)]
    model = helper.make_model(graph, opset_imports=imports, functions=b.functions, ir_version=9)
    return Graph(model, feeds, tuple(b.operators))
