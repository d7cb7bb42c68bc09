"""The cost of a CPU node: its evaluator compared with the onnx package's reference evaluator, in one run.

A node is prepared once per load (and once per compilation), and executed once per request.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from benchmarks.harness import Figure, report
from benchmarks.networks import best_seconds, geometric_mean
from runtime_core.compiler import compile as compile_model
from runtime_core.engine.numerics.cpu import load_cpu_node
from runtime_core.neff.graph import NodeKind

_CALLS = 20
_RNG = np.random.default_rng(0)


def _model(operator: str, shapes: list[tuple[int, ...]], outputs: int = 1, **attributes: object) -> onnx.ModelProto:
    names = [f"x{i}" for i in range(len(shapes))]
    made = [f"y{i}" for i in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(operator, names, made, **attributes)],  # type: ignore[arg-type]
        operator,
        [helper.make_tensor_value_info(n, 1, s) for n, s in zip(names, shapes, strict=True)],
        [helper.make_value_info(n, onnx.TypeProto()) for n in made],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model)


NODES = {
    "Det of 3x3": _model("Det", [(8, 3, 3)]),
    "LpNormalization of 256": _model("LpNormalization", [(32, 256)], p=2),
    "LpPool 16x16": _model("LpPool", [(1, 4, 16, 16)], kernel_shape=[3, 3]),
    "GridSample 8x8": _model("GridSample", [(1, 2, 8, 8), (1, 8, 8, 2)]),
    "NonZero of 1024": _model("NonZero", [(1024,)]),
    "MeanVarianceNormalization": _model("MeanVarianceNormalization", [(2, 8, 16, 16)]),
}


def _per_call(call: Callable[[], object]) -> Callable[[], None]:
    def calls() -> None:
        for _ in range(_CALLS):
            call()

    return calls


def main() -> None:
    """Time preparing and running each node on both sides."""
    figures: list[Figure] = []
    preparing, running = [], []
    for name, model in NODES.items():
        neff = compile_model(model)
        (node,) = (n for n in neff.graph.nodes if n.kind is NodeKind.CPU)
        text = neff.cpu_models[node.name]
        ours, theirs = load_cpu_node(node, text), ReferenceEvaluator(onnx.load_from_string(text))
        feeds = {t.name: _RNG.random(t.shape, np.float32) for t in node.inputs}
        load_s, peer_load_s = best_seconds(
            lambda: load_cpu_node(node, text),  # noqa: B023
            lambda: ReferenceEvaluator(onnx.load_from_string(text)),  # noqa: B023
        )
        run_s, peer_run_s = best_seconds(
            _per_call(lambda: ours.run(feeds)),  # noqa: B023
            _per_call(lambda: theirs.run(None, feeds)),  # noqa: B023
        )
        preparing.append(load_s / peer_load_s)
        running.append(run_s / peer_run_s)
        note = f"{load_s * 1e3:.2f} ms; onnx.reference {peer_load_s * 1e3:.2f} ms"
        figures.append(Figure(f"{name}: prepare / onnx.reference", load_s / peer_load_s, "x", note=note))
        note = f"{run_s / _CALLS * 1e6:.0f} us; onnx.reference {peer_run_s / _CALLS * 1e6:.0f} us"
        figures.append(Figure(f"{name}: execute / onnx.reference", run_s / peer_run_s, "x", note=note))
    mean = f"{len(NODES)} operators, geometric mean"
    figures.append(Figure("prepare / onnx.reference", geometric_mean(preparing), "x", note=mean))
    figures.append(Figure("execute / onnx.reference", geometric_mean(running), "x", 1.0, note=mean))
    report("cpu_node", figures)
