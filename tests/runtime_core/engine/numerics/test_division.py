"""CPU nodes divide integers without ending the process."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402

from runtime_core.engine.numerics.evaluator import make_evaluator  # noqa: E402


def value(name, kind):
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), (name,))


def quotients(dividends, divisors, kind, in_body=False):
    nodes = [helper.make_node("Div", ["a", "b"], ["q"])]
    if in_body:
        branches = [helper.make_graph([helper.make_node("Div", ["a", "b"], ["r"])], "body", [], [value("r", kind)])] * 2
        always = helper.make_node("Constant", [], ["c"], value=helper.make_tensor("", TensorProto.BOOL, [], [True]))
        nodes = [always, helper.make_node("If", ["c"], ["q"], then_branch=branches[0], else_branch=branches[1])]
    graph = helper.make_graph(nodes, "g", [value("a", kind), value("b", kind)], [value("q", kind)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    feeds = {"a": np.array(dividends, kind), "b": np.array(divisors, kind)}
    return make_evaluator(model).run(["q"], feeds)[0].tolist()


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "int64"])
@pytest.mark.parametrize("in_body", [False, True])
def test_the_smallest_integer_divided_by_minus_one_is_itself(kind, in_body):
    lowest = np.iinfo(kind).min
    dividends, divisors = [lowest, lowest, 7, -7, 7, 0], [-1, 2, -2, 2, -1, -1]
    assert quotients(dividends, divisors, kind, in_body) == [lowest, lowest // 2, -3, -3, -7, 0]
    assert quotients(dividends, [-1], kind, in_body) == [lowest, lowest, -7, 7, -7, 0]


def test_a_zero_is_still_refused():
    with pytest.raises(Exception, match="division by zero"):
        quotients([1], [0], "int32")


def test_floats_keep_their_zeros_and_infinities():
    assert str(quotients([0, 1, -1, 0], [-1, 0, 0, 0], "float32")) == "[-0.0, inf, -inf, nan]"
