"""Compiling does not change a model in memory, and results in the same NEFF each time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from runtime_core.compiler import CompileOptions, Fp32Cast
from runtime_core.compiler import compile as compile_model
from runtime_core.engine.numerics import load_program
from runtime_core.neff.writer import encode_neff


def _float(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _model(nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], opset: int, **more: object) -> ModelProto:
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "g", [_float("x", "N", 32)], [_float("y", "N", 32)], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, **more)


def _weights() -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    return {"w": random.standard_normal((32, 64), np.float32), "v": random.standard_normal((64, 32), np.float32)}


def _perceptron() -> ModelProto:
    """Weights that are large enough to be separated, an open batch, the long name of the default domain."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"], domain="ai.onnx"),
        helper.make_node("MatMul", ["b", "v"], ["y"]),
    ]
    return _model(nodes, _weights(), 13)


def _rewritten() -> ModelProto:
    """Operators that the importer changes: a function with a default, an old Softmax, a body."""
    own = helper.make_function(
        "own", "Scaled", ["a"], ["b"],
        [
            helper.make_node("Constant", [], ["s"]),
            helper.make_node("Mul", ["a", "s"], ["b"]),
        ],
        [helper.make_opsetid("", 12)], [], [helper.make_attribute("scale", 3.0)],
    )  # fmt: skip
    reference = own.node[0].attribute.add()
    reference.name, reference.ref_attr_name, reference.type = "value_float", "scale", onnx.AttributeProto.FLOAT
    body = helper.make_graph(
        [helper.make_node("Scaled", ["t"], ["u"], domain="own")], "body", [], [_float("u", "N", 32)]
    )
    other = helper.make_graph([helper.make_node("Identity", ["t"], ["u"])], "other", [], [_float("u", "N", 32)])
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("MatMul", ["a", "v"], ["b"]),
        helper.make_node("Scaled", ["b"], ["c"], domain="own"),
        helper.make_node("Softmax", ["c"], ["t"]),
        helper.make_node("ReduceSum", ["t"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["sum"], ["flag"], to=TensorProto.BOOL),
        helper.make_node("If", ["flag"], ["y"], then_branch=body, else_branch=other),
    ]
    model = _model(nodes, _weights(), 12, functions=[own])
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


def _fixed_batch() -> ModelProto:
    """A reshape to the batch, which changes if the batch is replaced."""
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["a"]),
        helper.make_node("Reshape", ["a", "back"], ["y"]),
    ]
    model = _model(nodes, {"shape": np.array([4, 8, 4]), "back": np.array([4, 32])}, 13)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 4
    return model


def _map_output() -> ModelProto:
    """An output that is a map, and one without a shape."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("MatMul", ["a", "v"], ["b"]),
        helper.make_node("ZipMap", ["b"], ["y"], domain="ai.onnx.ml", classlabels_int64s=list(range(32))),
    ]
    model = _model(nodes, _weights(), 13)
    model.graph.output[0].type.CopyFrom(
        helper.make_sequence_type_proto(
            helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(1, None))
        )
    )
    model.graph.output.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, None))
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    return model


@pytest.mark.parametrize("make", [_perceptron, _rewritten, _fixed_batch, _map_output])
def test_the_callers_model_stays_as_it_is(make: Callable[[], ModelProto]) -> None:
    model = make()
    before = model.SerializeToString(deterministic=True)
    all_options = [
        CompileOptions(batch=2, fp32_cast=Fp32Cast.NONE),
        CompileOptions(),
        CompileOptions(batch=3, fp32_cast=Fp32Cast.ALL),
        CompileOptions(batch=2, fp32_cast=Fp32Cast.NONE),
    ]
    for options in all_options:
        neff = compile_model(model, options)
        assert model.SerializeToString(deterministic=True) == before
        fresh = compile_model(make(), options)
        assert encode_neff(neff) == encode_neff(fresh)
        feeds = {i.name: np.random.default_rng(0).random(i.shape, np.float32) for i in neff.graph.inputs}
        ours, theirs = load_program(neff).run(feeds), load_program(fresh).run(feeds)
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
