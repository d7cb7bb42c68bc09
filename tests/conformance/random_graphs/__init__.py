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

from tests.conformance.random_graphs.bodies import PLAIN, branch, call, loop, scan
from tests.conformance.random_graphs.builder import TYPES, Builder, Value, info

__all__ = ["Graph", "graphs"]
_ALL = [*PLAIN, branch, loop, scan, call]


class Graph(NamedTuple):
    """A model, its inputs, and the operators in it."""

    model: onnx.ModelProto
    feeds: dict[str, np.ndarray]
    operators: tuple[str, ...]


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
