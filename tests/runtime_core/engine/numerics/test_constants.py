"""The parameters of a model are widened when it first runs, once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import ml_dtypes
import numpy as np
import pytest

from runtime_core.engine.numerics import constants, load_program
from runtime_core.engine.numerics.matrix import KERNELS as MATRIX
from runtime_core.engine.numerics.program import GraphProgram
from runtime_core.engine.numerics.recurrent import KERNELS as RECURRENT
from runtime_core.engine.numerics.types import Array
from runtime_core.neff.graph import (
    AttributeValue,
    DType,
    EngineKind,
    Graph,
    Instruction,
    Node,
    NodeKind,
    Parameter,
    TensorSpec,
)
from runtime_core.neff.model import Neff

_RNG = np.random.default_rng(0)
_DEPTHWISE: dict[str, AttributeValue] = {"strides": [1, 1], "dilations": [1, 1], "pads": [1] * 4, "group": 6}


def _values(*shape: int) -> Array:
    return _RNG.standard_normal(shape, np.float32)


def _program(
    opcode: str,
    attributes: dict[str, AttributeValue],
    feeds: dict[str, Array],
    weight: Array,
    results: dict[str, Array],
) -> GraphProgram:
    """One instruction, whose second operand is a parameter in bfloat16."""
    inputs, outputs = (
        tuple(TensorSpec(n, DType.FLOAT32, v.shape) for n, v in values.items()) for values in (feeds, results)
    )
    first, *others = feeds
    step = Instruction(EngineKind.PE, opcode, (first, "w", *others), tuple(results), attributes)
    stored = weight.astype(ml_dtypes.bfloat16)
    parameter = Parameter(TensorSpec("w", DType.BFLOAT16, weight.shape), 0)
    node = Node("n", NodeKind.NEURON, inputs, outputs, 0, (step,), (parameter,), (), stored.nbytes)
    return load_program(Neff(Graph("m", inputs, outputs, (node,)), {"n": stored.tobytes()}))


def _rounded(weight: Array) -> Array:
    return weight.astype(ml_dtypes.bfloat16).astype(np.float32)


def test_a_depthwise_convolution_takes_the_values_of_its_run() -> None:
    x, weight = _values(1, 6, 20, 20), _values(6, 1, 3, 3)
    expected = np.asarray(MATRIX["conv"](_DEPTHWISE, [None, None])(x, _rounded(weight)))
    program = _program("conv", _DEPTHWISE, {"x": x}, weight, {"y": expected})
    for _ in range(2):
        assert np.allclose(program.run({"x": x})["y"], expected, rtol=1e-5, atol=1e-5)


def test_a_gru_takes_the_values_of_its_run() -> None:
    feeds, weight = {"state": _values(1, 2, 5), "shares": _values(7, 2, 15)}, _values(5, 15)
    states, last = RECURRENT["gru"]({}, [None] * 3)(feeds["state"], _rounded(weight), feeds["shares"])
    program = _program("gru", {}, feeds, weight, {"states": states, "last": last})
    for _ in range(2):
        assert np.array_equal(program.run(feeds)["states"], states)


def test_threads_that_run_first_widen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    make = constants._constant

    def counted(params: bytes, offset_bytes: int, spec: TensorSpec) -> Array:
        made.append(spec.name)
        return make(params, offset_bytes, spec)

    monkeypatch.setattr(constants, "_constant", counted)
    x, weight = _values(40, 50), _values(50, 60)
    program = _program("matmul", {}, {"x": x}, weight, {"y": x @ weight})
    assert made == []
    start = threading.Barrier(8)

    def run(_number: int) -> Array:
        start.wait()
        return program.run({"x": x})["y"]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run, range(8)))
    assert made == ["w"]
    assert all(np.array_equal(y, x @ _rounded(weight)) for y in results)
