"""Control flow and model-local functions, with random operators in their bodies."""

from __future__ import annotations

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from tests.conformance.random_graphs import elementwise, movement, rows
from tests.conformance.random_graphs.builder import FLOATS, INTS, Builder, Value, info

PLAIN = [
    elementwise.unary, elementwise.jump, elementwise.binary, elementwise.compare, elementwise.logic,
    elementwise.choose, elementwise.cast, movement.reshape, movement.follow, movement.transpose, movement.concat,
    movement.cut, rows.reduce, rows.softmax, rows.arg, rows.top_k, rows.matmul, movement.gather, movement.unsqueeze,
    movement.squeeze, movement.expand, movement.pad, movement.split, rows.cumsum, elementwise.clip, rows.layer_norm,
    rows.conv, elementwise.quantise,
]  # fmt: skip
"""Operators without bodies, which a body may have too."""


def _body(b: Builder, inputs: list[Value], steps: int) -> Builder:
    inner = Builder(b.draw, b.opset, b.depth + 1, f"{b.prefix}{b.name()}_")
    inner.values = list(inputs)
    for _ in range(steps):
        b.draw(st.sampled_from(PLAIN))(inner)
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


def branch(b: Builder) -> None:
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


def loop(b: Builder) -> None:
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


def scan(b: Builder) -> None:
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


def call(b: Builder) -> None:
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
