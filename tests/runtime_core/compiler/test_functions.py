"""Model-local functions keep their meaning when they are inlined."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import parser  # noqa: E402

from runtime_core.compiler.onnx_backend import NeuronBackend  # noqa: E402
from runtime_core.errors import ModelFileError  # noqa: E402
from runtime_core.neff.graph import NodeKind  # noqa: E402

HEAD = '<ir_version: 10, opset_import: ["" : 18, "own" : 1]>\n'
MAIN = "g (float[2,4] x) => (float[2,4] y) { y = own.f (x) }\n"
X = np.array([[-2, -1, 1, 2], [4, -4, 0, 1]], np.float32)


def result(text, **defaults):
    """The model's output; ``defaults``: function -> attributes with a default."""
    model = parser.parse_model(text)
    for function in model.functions:
        function.attribute_proto.extend(
            onnx.helper.make_attribute(name, value) for name, value in defaults.get(function.name, {}).items()
        )
    rep = NeuronBackend.prepare(model)
    return rep.run([X])[0], [node.kind for node in rep.neff.graph.nodes]


def function(name, body, opset=18, attributes=""):
    imports = f'opset_import: ["" : {opset}, "own" : 1]'
    return f'<domain: "own", {imports}>\n{name} {attributes}(x) => (y) {{ {body} }}\n'


def test_a_default_holds_in_a_nested_call_and_a_given_value_is_handed_on():
    inner = function("inner", "y = LeakyRelu <alpha: float = @slope> (x)")
    outer = function("f", "a = own.inner (x) b = own.inner <slope: float = @mine> (x) y = Add (a, b)")
    got, kinds = result(HEAD + MAIN + inner + outer, inner={"slope": 0.5}, f={"mine": 0.25})
    np.testing.assert_allclose(got, np.where(X < 0, X * 0.75, 2 * X))
    assert kinds == [NodeKind.NEURON]


def test_an_attribute_that_nobody_gives_is_the_operators_own_default():
    got, _ = result(HEAD + MAIN + function("f", "y = LeakyRelu <alpha: float = @slope> (x)", attributes="<slope>"))
    np.testing.assert_allclose(got, np.where(X < 0, X * np.float32(0.01), X))


def test_references_in_bodies_are_replaced_and_their_names_kept_apart():
    body = (
        "c = Constant <value = bool {1}> () t = Neg (x) "
        "y = If (c) <then_branch = a () => (float[2,4] r) "
        "{ t2 = LeakyRelu <alpha: float = @slope> (t) r = Add (t2, t) }, "
        "else_branch = b () => (float[2,4] r) { r = Identity (x) }>"
    )
    twice = "g (float[2,4] x) => (float[2,4] y) { a = own.f (x) y = own.f (a) }\n"
    got, _ = result(HEAD + twice + function("f", body), f={"slope": 0.5})

    def once(x):
        return np.where(-x < 0, -x * 0.5, -x) - x

    np.testing.assert_allclose(got, once(once(X)))


def test_an_output_of_a_function_may_be_its_input():
    text = '<domain: "own", opset_import: ["" : 18]>\nf (x) => (x, z) { z = Neg (x) }\n'
    main = "g (float[2,4] x) => (float[2,4] y) { a, b = own.f (x) y = Sub (a, b) }\n"
    np.testing.assert_allclose(result(HEAD + main + text)[0], 2 * X)


def test_a_function_of_another_operator_set_is_refused_where_its_operators_changed():
    # Softmax of operator set 11 treats everything from the axis on as one row.
    with pytest.raises(ModelFileError, match=r"Softmax.*not compatible"):
        result(HEAD + MAIN + function("f", "y = Softmax <axis: int = 1> (x)", opset=11))
    got, _ = result(HEAD + MAIN + function("f", "y = Abs (x)", opset=13))
    np.testing.assert_allclose(got, np.abs(X))


def test_a_function_that_calls_itself_is_refused():
    text = HEAD + MAIN + function("f", "y = own.g (x)") + function("g", "y = own.f (x)")
    with pytest.raises(ModelFileError, match=r"calls itself|malformed"):
        result(text)


def test_functions_that_grow_without_end_are_refused():
    levels = [function("f0", "a = Neg (x) y = Neg (a)")]
    for level in (1, 2, 3):
        calls = " ".join(f"a{k} = own.f{level - 1} (x)" for k in range(99))
        levels.append(function(f"f{level}", f"{calls} y = Neg (a0)"))
    main = "g (float[2,4] x) => (float[2,4] y) { y = own.f3 (x) }\n"
    with pytest.raises(ModelFileError, match="expand to more than"):
        result(HEAD + main + "".join(levels))


def test_functions_that_call_each_other_deeper_than_the_stack_are_refused():
    levels = [function("f0", "y = Neg (x)")]
    levels += [function(f"f{level}", f"y = own.f{level - 1} (x)") for level in range(1, 1200)]
    main = "g (float[2,4] x) => (float[2,4] y) { y = own.f1199 (x) }\n"
    with pytest.raises(ModelFileError, match=r"deep|depth"):
        result(HEAD + main + "".join(levels))
