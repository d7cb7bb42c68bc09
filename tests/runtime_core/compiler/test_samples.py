"""A batch that the compiler sets is one: results of a sample do not depend on others."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from runtime_core.compiler import CompileOptions, compile_for_timing, read_model  # noqa: E402
from runtime_core.compiler import compile as compile_model  # noqa: E402
from runtime_core.errors import ModelFileError  # noqa: E402

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def model(nodes, shape=("N", 4), out=("N", 4), constants=(), kind=FLOAT, out_kind=FLOAT):
    x, y = helper.make_tensor_value_info("x", kind, shape), helper.make_tensor_value_info("y", out_kind, out)
    made = [numpy_helper.from_array(np.asarray(value), name) for name, value in dict(constants).items()]
    graph = helper.make_graph(nodes, "g", [x], [y], made)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def node(op, inputs, outputs=("y",), **attributes):
    return helper.make_node(op, inputs, outputs, **attributes)


ONES = np.ones((4, 4), np.float32)
MIXING = {
    "softmax over samples": ([node("Softmax", ["x"], axis=0)], {}, "the other samples"),
    "less the mean of the batch": (
        [node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=1), node("Sub", ["x", "m"])], {}, "the other samples"),
    "sum so far": ([node("CumSum", ["x", "axis"])], {"axis": np.int64(0)}, "the other samples"),
    "place in the batch": (
        [node("Shape", ["x"], ["s"], start=0, end=1), node("Squeeze", ["s"], ["n"]),
         node("Range", ["zero", "n", "one"], ["r"]), node("Cast", ["r"], ["f"], to=FLOAT),
         node("Unsqueeze", ["f", "ones"], ["column"]), node("Add", ["x", "column"])],
        {"zero": np.int64(0), "one": np.int64(1), "ones": np.array([1])}, "its place"),
    "divided by the number of samples": (
        [node("Shape", ["x"], ["s"], start=0, end=1), node("Cast", ["s"], ["f"], to=FLOAT), node("Div", ["x", "f"])],
        {}, "the number of samples"),
    "the last sample first": (
        [node("Slice", ["x", "last", "before", "axis", "back"])],
        {"last": np.array([-1]), "before": np.array([-(1 << 40)]), "axis": np.array([0]), "back": np.array([-1])},
        "the other samples"),
}  # fmt: skip
INDEPENDENT = {
    "product": ([node("MatMul", ["x", "w"], ["p"]), node("Softmax", ["p"])], {"w": ONES}),
    "merged with another dimension and back": (
        [node("Reshape", ["x", "tall"], ["t"]), node("MatMul", ["t", "w"], ["p"]), node("Reshape", ["p", "wide"])],
        {"tall": np.array([-1, 2]), "w": ONES[:2, :2], "wide": np.array([-1, 4])}),
    "moved and back": (
        [node("Transpose", ["x"], ["t"]), node("Relu", ["t"], ["r"]), node("Transpose", ["r"])], {}),
    "random": ([node("RandomNormalLike", ["x"], ["r"]), node("Add", ["x", "r"])], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXING)
def test_a_dynamic_batch_of_samples_that_are_mixed_is_refused(name):
    nodes, constants, reason = MIXING[name]
    with pytest.raises(ModelFileError, match=f"output 'y' of a sample depends on {reason}"):
        compile_model(model(nodes, constants=constants), CompileOptions(batch=4, dynamic_batch=True))


@pytest.mark.parametrize("name", MIXING)
def test_a_fixed_batch_of_samples_that_are_mixed_is_not_replaced(name):
    nodes, constants, reason = MIXING[name]
    fixed = model(nodes, (1, 4), (1, 4), constants)
    compile_model(fixed)
    with pytest.raises(ModelFileError, match=f"'y' of a sample depends on {reason}.*: a batch of 4 would change"):
        compile_model(fixed, CompileOptions(batch=4))


@pytest.mark.parametrize("name", INDEPENDENT)
def test_a_dynamic_batch_of_independent_samples_compiles(name):
    nodes, constants = INDEPENDENT[name]
    assert (
        compile_model(model(nodes, constants=constants), CompileOptions(batch=4, dynamic_batch=True)).graph.batch == 4
    )
    assert compile_model(model(nodes, (1, 4), (1, 4), constants), CompileOptions(batch=4)).graph.batch == 4


def test_indices_and_flips_by_rounding_do_not_make_samples_dependent():
    table = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
    lookup = model([node("Gather", ["t", "x"])], ("N", 5), ("N", 5, 3), {"t": table}, INT64)
    compile_model(lookup, CompileOptions(batch=2, dynamic_batch=True))
    weights = np.random.default_rng(0).standard_normal((4, 500)).astype(np.float32)
    largest = [node("MatMul", ["x", "w"], ["p"]), node("ArgMax", ["p"], axis=1)]
    compile_model(model(largest, out=("N", 1), constants={"w": weights}, out_kind=INT64),
                  CompileOptions(batch=2, dynamic_batch=True))  # fmt: skip


def test_a_model_that_only_works_with_its_batch_is_refused():
    """The reshape says 4: with 2 or 3 samples there are too few elements."""
    fixed = [node("Reshape", ["x", "s"], ["r"]), node("ReduceSum", ["r", "axis"], keepdims=0)]
    constants = {"s": np.array([4, 2, 2]), "axis": np.array([2])}
    with pytest.raises(ModelFileError):
        compile_model(model(fixed, out=("N", 2), constants=constants), CompileOptions(batch=4, dynamic_batch=True))


@pytest.mark.parametrize(
    ("nodes", "constants", "out"),
    [
        ([node("ReduceMean", ["x"], axes=[0], keepdims=1)], {}, (1, 4)),
        ([node("Gather", ["x", "first"])], {"first": np.array([0])}, (1, 4)),
        ([node("Identity", ["w"])], {"w": ONES}, (4, 4)),
        ([node("ReduceSum", ["x"], keepdims=0)], {}, ()),
    ],
)
def test_a_first_dimension_that_is_no_batch_is_not_replaced(nodes, constants, out):
    fixed = model(nodes, (2, 4), out, constants)
    assert compile_model(fixed).graph.outputs[0].shape == out
    if out:
        with pytest.raises(ModelFileError, match="the first dimension of the inputs is not a batch"):
            compile_model(fixed, CompileOptions(batch=8))


def test_a_fixed_batch_is_replaced():
    fixed = model([node("MatMul", ["x", "w"])], (2, 4), (2, 4), {"w": ONES})
    assert compile_model(fixed, CompileOptions(batch=8)).graph.outputs[0].shape == (8, 4)


SIZES = np.random.default_rng(0).standard_normal
WITHOUT_BATCH = {
    "a scalar": model([node("Relu", ["x"])], (), ()),
    "the first sample": model([node("Gather", ["x", "i"])], ("N", 3), (3,), {"i": np.int64(0)}),
    "the first sample, undeclared": model([node("Gather", ["x", "i"])], ("N", 3), None, {"i": np.int64(0)}),
    "the first one, fixed": model([node("Slice", ["x", "s", "e"])], (1, 3), None, {"s": [0], "e": [1]}),
    "flat": model([node("Flatten", ["x"], axis=0)], (1, 3), None),
    "its own batch, which no output has": model([node("Gather", ["x", "i"])], (3, 4), (4,), {"i": np.int64(0)}),
    "a constant": model([node("Identity", ["c"])], (2, 4), None, {"c": ONES}),
}
STEPS = {"w": SIZES((1, 16, 3)).astype(np.float32), "r": SIZES((1, 16, 4)).astype(np.float32)}
STATES = {**STEPS, "h": np.ones((1, 1, 4), np.float32)}
CONTRADICTING = {
    "LSTM": model([node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
                   node("LSTM", ["t", "w", "r", "", "", "h", "h"], ["", "y"], hidden_size=4)],
                  (1, 5, 3), (1, 1, 4), STATES),
    "Reshape": model([node("Transpose", ["x"], ["t"], perm=[1, 0, 2]), node("Reshape", ["t", "s"])],
                     (1, 2, 8), None, {"s": [2, 8]}),
    "Concat": model([node("Concat", ["c", "x"], axis=1)], (1, 3), (1, 4), {"c": ONES[:1, :1]}),
    "Squeeze": model([node("Squeeze", ["x", "a"])], (1, 3), (3,), {"a": [0]}),
}  # fmt: skip


@pytest.mark.parametrize("name", WITHOUT_BATCH)
def test_a_batch_that_does_not_set_the_number_of_samples_is_refused(name):
    made = WITHOUT_BATCH[name]
    with pytest.raises(ModelFileError, match="batch"):
        compile_model(made, CompileOptions(batch=3))
    with pytest.raises(ModelFileError, match="batch"):
        compile_for_timing(read_model(made), CompileOptions(batch=3))
    assert compile_model(made).graph.batch <= 1


@pytest.mark.parametrize("operator", CONTRADICTING)
def test_a_model_that_requires_its_batch_says_so(operator):
    made = CONTRADICTING[operator]
    compile_model(made)
    with pytest.raises(ModelFileError, match=f"requires a batch of 1: with 3, .*operator {operator}") as caught:
        compile_model(made, CompileOptions(batch=3))
    assert "Error" not in str(caught.value)
    assert "''" not in str(caught.value)


@pytest.mark.parametrize("steps", [5, "steps"])
def test_the_steps_of_a_sequence_are_not_a_batch(steps):
    sequence = model([node("LSTM", ["x", "w", "r"], hidden_size=4)], (steps, 1, 3), None, STEPS)
    assert compile_model(sequence).graph.batch == 0
    with pytest.raises(ModelFileError, match="number of steps of operator LSTM of node 'y'"):
        compile_model(sequence, CompileOptions(batch=3))


@pytest.mark.parametrize("out", [("N", 2, 4), None])
def test_an_output_may_have_the_batch_anywhere(out):
    turned = model([node("Transpose", ["x"], perm=[1, 0, 2])], ("N", 2, 4), out)
    assert compile_model(turned, CompileOptions(batch=3)).graph.outputs[0].shape == (2, 3, 4)


def test_an_input_for_all_samples_keeps_its_size():
    made = model([node("Add", ["x", "b"])], (1, 3), (1, 3))
    made.graph.input.append(helper.make_tensor_value_info("b", FLOAT, [3]))
    shapes = [t.shape for t in compile_model(made, CompileOptions(batch=3)).graph.inputs]
    assert shapes == [(3, 3), (3,)]
