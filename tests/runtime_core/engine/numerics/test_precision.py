"""16-bit floats: what is computed in FP32, and when results are rounded."""

import ml_dtypes
import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from runtime_core.compiler import CompileOptions, Fp32Cast  # noqa: E402
from runtime_core.compiler import compile as compile_model  # noqa: E402
from runtime_core.engine.numerics import load_program  # noqa: E402
from runtime_core.neff.graph import DType, NodeKind  # noqa: E402

HALVES = {"float16": (TensorProto.FLOAT16, np.float16), "bfloat16": (TensorProto.BFLOAT16, ml_dtypes.bfloat16)}


def program(nodes, x, outputs, constants=(), cast=Fp32Cast.NONE):
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, x.shape)],
        [helper.make_tensor_value_info("y", k, s) for k, s in outputs],
        [numpy_helper.from_array(v, n) for n, v in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    neff = compile_model(model, CompileOptions(fp32_cast=cast))
    return neff, load_program(neff).run({"x": x})["y"]


@pytest.mark.parametrize("name", HALVES)
def test_sums_of_products_are_kept_in_fp32_and_rounded_once(name):
    kind, dtype = HALVES[name]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 300)).astype(dtype)
    w = rng.standard_normal((300, 5)).astype(dtype)
    _, y = program([helper.make_node("MatMul", ["x", "w"], ["y"])], x, [(kind, (4, 5))], [("w", w)])
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, (x.astype(np.float32) @ w.astype(np.float32)).astype(dtype))


@pytest.mark.parametrize("name", HALVES)
def test_every_instruction_stores_its_result_in_16_bits(name):
    kind, dtype = HALVES[name]
    x = np.array([1, 3, 1000], dtype)
    tiny = np.array([2**-12], dtype)
    nodes = [helper.make_node("Add", ["x", "t"], ["a"]), helper.make_node("Sub", ["a", "x"], ["y"])]
    _, y = program(nodes, x, [(kind, (3,))], [("t", tiny)])
    assert y.astype(np.float32).tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", HALVES)
def test_casts_round_and_cpu_nodes_get_the_declared_type(name):
    kind, dtype = HALVES[name]
    x = np.array([0.1, 70.3, -1.5], np.float32)
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=kind),
        helper.make_node("NonZero", ["h"], ["unused"]),
        helper.make_node("Cosh", ["h"], ["c"]) if name == "float16" else helper.make_node("Neg", ["h"], ["c"]),
        helper.make_node("Cast", ["c"], ["y"], to=TensorProto.FLOAT),
    ]
    _, y = program(nodes, x, [(TensorProto.FLOAT, (3,))])
    halves = x.astype(dtype)
    expected = np.cosh(halves) if name == "float16" else -halves
    np.testing.assert_array_equal(y, expected.astype(np.float32))


@pytest.mark.parametrize("cast", list(Fp32Cast))
def test_what_a_cast_option_narrows(cast):
    x = np.full((1, 2), 1 + 2**-10, np.float32)
    w, b = np.full((2, 2), 1 + 2**-10, np.float32), np.full(2, 1 + 2**-10, np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Mul", ["p", "b"], ["y"])]
    neff, y = program(nodes, x, [(TensorProto.FLOAT, (1, 2))], [("w", w), ("b", b)], cast)
    (node,) = neff.graph.nodes
    assert node.kind is NodeKind.NEURON
    stored = {p.spec.name: p.spec.dtype for p in node.parameters}
    exact, narrow = 1 + 2**-10, 1.0
    product, factor = {
        Fp32Cast.ALL: (narrow, narrow),
        Fp32Cast.MATMULT: (narrow, exact),
        Fp32Cast.NONE: (exact, exact),
    }[cast]
    assert stored["w"] is (DType.FLOAT32 if cast is Fp32Cast.NONE else DType.BFLOAT16)
    assert stored["b"] is (DType.BFLOAT16 if cast is Fp32Cast.ALL else DType.FLOAT32)
    np.testing.assert_allclose(y, np.full((1, 2), 2 * product * product * factor), rtol=1e-6)


def test_a_cast_option_leaves_16_bit_models_alone():
    x = np.full((1, 2), 1 + 2**-10, np.float16)
    w = np.eye(2, dtype=np.float16)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    _, y = program([node], x, [(TensorProto.FLOAT16, (1, 2))], [("w", w)], Fp32Cast.ALL)
    np.testing.assert_array_equal(y, x)


def test_the_lowest_fp32_number_stays_finite_in_16_bits_and_infinity_stays_infinite():
    lowest = np.finfo(np.float32).min
    b = np.array([lowest, -lowest, -np.inf, 1 + 2**-8, np.nan], np.float32)
    x = np.zeros(5, np.float32)
    neff, y = program([helper.make_node("Add", ["x", "b"], ["y"])], x, [(TensorProto.FLOAT, (5,))], [("b", b)],
                      Fp32Cast.ALL)  # fmt: skip
    assert neff.graph.nodes[0].parameters[0].spec.dtype is DType.BFLOAT16
    largest = float(ml_dtypes.finfo(ml_dtypes.bfloat16).max)
    np.testing.assert_array_equal(y, np.array([-largest, largest, -np.inf, 1.0, np.nan], np.float32))


def test_several_threads_share_one_program():
    from concurrent.futures import ThreadPoolExecutor

    x = np.random.default_rng(0).standard_normal((8, 16)).astype(np.float32)
    w = np.random.default_rng(1).standard_normal((16, 16)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Softmax", ["p"], ["y"])]
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [8, 16]) for n in "xy"]
    graph = helper.make_graph(nodes, "g", info[:1], info[1:], [numpy_helper.from_array(w, "w")])
    shared = load_program(compile_model(helper.make_model(graph, ir_version=8)))
    inputs = [x * scale for scale in range(1, 33)]
    alone = [shared.run({"x": v})["y"] for v in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda v: shared.run({"x": v})["y"], inputs))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)
