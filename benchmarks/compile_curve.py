"""Time to compile networks whose operators alternate between cores and CPU, by the number of operators."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import onnx
from onnx import helper

from benchmarks.harness import compare, exponent
from benchmarks.networks import compile_model

_OPERATORS = (500, 1000, 2000, 4000, 8000, 20_000)


def _alternating(count: int) -> onnx.ModelProto:
    nodes, last = [], "x"
    for number in range(count // 2):
        nodes.append(helper.make_node("Relu", [last], [f"r{number}"]))
        nodes.append(helper.make_node("LpNormalization", [f"r{number}"], [f"n{number}"], axis=-1))
        last = f"n{number}"
    values = [helper.make_tensor_value_info(name, 1, [1, 8]) for name in ("x", last)]
    graph = helper.make_graph(nodes, "alternating", values[:1], values[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def measure() -> dict[str, float]:
    """CPU seconds by number of operators, and the exponents of the whole curve and of its upper half."""
    seconds: dict[float, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "alternating.onnx"
        onnx.save(_alternating(20), path)
        compile_model(path)
        for count in _OPERATORS:
            onnx.save(_alternating(count), path)
            started = time.process_time()
            compile_model(path)
            seconds[count] = time.process_time() - started
    figures = {f"{count} operators": value for count, value in seconds.items()}
    figures["exponent"] = exponent(seconds)
    figures["exponent, from 2000 on"] = exponent({n: s for n, s in seconds.items() if n >= 2000})
    return figures


def main() -> None:
    """Measure the curve."""
    compare("compile_curve", "compile_curve", measure(), "s", {"exponent, from 2000 on": 1.1})


if __name__ == "__main__":
    main()
