"""A quantised network, layer by layer: what lies between two tensors of integers, on the integers of ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from benchmarks.exact import INTEGERS, Array, evaluate
from runtime_core.compiler import CompileOptions, Fp32Cast, compile_with_report
from runtime_core.engine.numerics import load_program

PAIRS = (("the compiler", "exact arithmetic"), ("ONNX Runtime", "exact arithmetic"), ("the compiler", "ONNX Runtime"))


class Differences(NamedTuple):
    """How the integers of two sides differ, over all layers.

    Attributes:
        per_million: elements that differ.
        most_steps: the largest difference.
    """

    per_million: float
    most_steps: int


class Layer(NamedTuple):
    """One layer as a model.

    Attributes:
        model: from integers, or the input of the network, to integers.
        output: the name of its result.
    """

    model: onnx.ModelProto
    output: str


def unoptimised(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Return a session on one thread that runs every operator as it stands."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def by_layer(path: Path, image: Array) -> dict[tuple[str, str], Differences]:
    """Compare every layer of this compiler in FP32, of ONNX Runtime, and in exact arithmetic.

    Each layer gets the integers that ONNX Runtime has at its place, so that no difference passes to the next layer.
    """
    model = onnx.load(path)
    held = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    values = {model.graph.input[0].name: image}
    values.update(_integers(model, held, values))
    pairs = [
        ("the compiler", "exact arithmetic"),
        ("ONNX Runtime", "exact arithmetic"),
        ("the compiler", "ONNX Runtime"),
    ]
    steps: dict[tuple[str, str], list[Array]] = {pair: [] for pair in pairs}
    for layer in layers(model, held, values):
        feeds = {i.name: values[i.name] for i in layer.model.graph.input}
        compiled = load_program(compile_with_report(layer.model, CompileOptions(fp32_cast=Fp32Cast.NONE)).neff)
        results = {
            "the compiler": compiled.run(feeds)[layer.output],
            "ONNX Runtime": unoptimised(layer.model).run([layer.output], feeds)[0],
            "exact arithmetic": evaluate(layer.model.graph.node, {**held, **feeds})[layer.output],
        }
        for one, other in PAIRS:
            difference = np.abs(results[one].astype(np.int64) - results[other])
            steps[one, other].append(np.bincount(difference.reshape(-1)))
    return {pair: _summary(counts) for pair, counts in steps.items()}


def _summary(counts: list[Array]) -> Differences:
    total = sum(int(c.sum()) for c in counts)
    same = sum(int(c[0]) for c in counts)
    return Differences(1e6 * (total - same) / total, max(len(c) - 1 for c in counts))


def _integers(model: onnx.ModelProto, held: Mapping[str, Array], feeds: dict[str, Array]) -> dict[str, Array]:
    """What ONNX Runtime has in every tensor of integers that depends on the input."""
    names = [n.output[0] for n in model.graph.node if n.op_type in INTEGERS and n.input[0] not in held]
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    known = {o.name for o in model.graph.output}
    exposed.graph.output.extend(helper.make_value_info(n, onnx.TypeProto()) for n in names if n not in known)
    return dict(zip(names, unoptimised(exposed).run(names, feeds), strict=True))


def layers(model: onnx.ModelProto, held: Mapping[str, Array], values: Mapping[str, Array]) -> Iterator[Layer]:
    """Cut a model at ``values``: each of them that a node makes is the output of a layer.

    Args:
        model: the whole network.
        held: its constants.
        values: of its input, and of the tensors to cut at.
    """
    makers = {name: index for index, node in enumerate(model.graph.node) for name in node.output}
    for output in values:
        if output not in makers:
            continue
        indices, inputs, constants, left = set[int](), dict[str, Array](), dict[str, Array](), [output]
        while left:
            name = left.pop()
            if name in held:
                constants[name] = held[name]
            elif name in values and name != output:
                inputs[name] = values[name]
            elif makers[name] not in indices:
                indices.add(makers[name])
                left += model.graph.node[makers[name]].input
        graph = helper.make_graph(
            [model.graph.node[i] for i in sorted(indices)],
            "layer",
            [_info(name, value) for name, value in inputs.items()],
            [_info(output, values[output])],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        yield Layer(helper.make_model(graph, opset_imports=model.opset_import, ir_version=8), output)


def _info(name: str, value: Array) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
