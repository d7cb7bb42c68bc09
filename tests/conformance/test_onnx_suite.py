"""The onnx package's own backend suite on our backend.

``not_supported.txt`` lists the cases that fail, with reasons. The test fails if a case fails that is not in the list,
or if a case in the list passes. ``UPDATE_CONFORMANCE=1`` rewrites the list.
"""

import os
import unittest
import warnings
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx.backend.test import BackendTest  # noqa: E402
from onnx.backend.test.case.node import collect_testcases  # noqa: E402

from runtime_core.compiler.onnx_backend import NeuronBackend  # noqa: E402
from runtime_core.neff.graph import DType  # noqa: E402

LIST = Path(__file__).parent / "not_supported.txt"
# Reasons for failures, by a part of the message; the first match counts.
REASONS = (
    ("that a NEFF does not support", "an input is text, 4-bit, 8-bit float or complex: a NEFF has no such tensors"),
    ("cannot be inferred", "an output is text, 4-bit, 8-bit float or complex, or its shape depends on values"),
    ("is not a tensor", "an input is a sequence or optional: a NEFF passes tensors only"),
    ("nothing can run operator", "no evaluator has this operator with these types"),
    ("Pillow must be installed", "decodes image files"),
    ("shapes do not fit", "neither evaluator infers shapes for the test's own model"),
    ("batch 0", "an open batch dimension of 0: a NEFF is compiled for one sample or more"),
    ("could not be broadcast", "operator set 6 broadcasts the slope from the channel on; its converter drops that"),
)
NEAR_ZERO = ("test_dft", "test_stft")
ALIGNED = ("test_resize_downsample_scales_linear_align", "test_resize_downsample_scales_cubic_align")
HALVES = ("_fp16", "_bf16")
RANDOM = ("bernoulli", "training_dropout")


def reason(name, message):
    if any(word in name for word in RANDOM):
        return "random: the expected values come from another generator"
    if any(word in name for word in HALVES) and "Not equal to tolerance" in message:
        return "16-bit floats, rounded at other places than in the reference: off by units in the last place"
    if name.startswith(NEAR_ZERO):
        return "exact zeros come out as FP32 rounding of sums in the hundreds"
    if name.startswith(ALIGNED):
        return "the specification takes the output's whole length, as ONNX Runtime does; the suite a fractional one"
    return next((why for part, why in REASONS if part in message), "results differ from the expected ones")


def run_suite():
    """Name -> reason of the failure; "" for a pass."""
    suite = BackendTest(NeuronBackend, __name__)
    suite.exclude("_cuda$")
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for cases in suite.test_cases.values():
            for name in unittest.TestLoader().getTestCaseNames(cases):
                result = unittest.TestResult()
                cases(name).run(result)
                if not result.skipped:
                    problems = result.errors + result.failures
                    found[name] = reason(name, problems[0][1]) if problems else ""
    return found


def read_list():
    lines = (line for line in LIST.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("\t", 1) for line in lines)


@pytest.mark.timeout(1800)
def test_what_passes_and_what_does_not_is_as_listed(tmp_path, monkeypatch):
    monkeypatch.setenv("ONNX_HOME", str(tmp_path))
    found = run_suite()
    failed = {name: why for name, why in found.items() if why}
    assert len(found) > 1000
    if os.environ.get("UPDATE_CONFORMANCE"):
        head = "# Cases of onnx.backend.test that do not pass, and why. Written by UPDATE_CONFORMANCE=1 pytest.\n"
        LIST.write_text(head + "".join(f"{name}\t{why}\n" for name, why in sorted(failed.items())))
    listed = read_list()
    stopped = sorted(failed.keys() - listed.keys())
    assert not stopped, f"{len(stopped)} cases stopped passing: {stopped[:5]}"
    started = sorted(name for name in listed if found.get(name) == "")
    assert not started, f"{len(started)} listed cases pass now, take them off the list: {started[:5]}"


def is_float_inference(model):
    """Whether the tensors are supported in a NEFF and include floats, and no operator is for training."""
    floats = {"float16", "float32", "float64", "bfloat16"}
    kinds = {
        onnx.helper.tensor_dtype_to_np_dtype(v.type.tensor_type.elem_type).name if is_known(v) else "unknown"
        for v in (*model.graph.input, *model.graph.output)
    }
    trains = any("training" in n.domain for n in model.graph.node)
    return bool(kinds & floats) and kinds <= {d.value for d in DType} and not trains


def is_known(value):
    return value.type.HasField("tensor_type") and value.type.tensor_type.elem_type != onnx.TensorProto.UNDEFINED


def test_nine_in_ten_operator_cases_of_float_inference_pass():
    listed = read_list()
    cases = [c for c in collect_testcases(None) if c.model is not None and is_float_inference(c.model)]
    passed = [c for c in cases if f"{c.name}_cpu" not in listed]
    assert len(cases) > 1000
    assert len(passed) >= 0.9 * len(cases)


def test_the_backend_says_what_it_is():
    assert NeuronBackend.supports_device("CPU")
    assert not NeuronBackend.supports_device("CUDA")


def test_one_operator_alone():
    import numpy as np

    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    (y,) = NeuronBackend.run_node(node, [np.array([-1.0, 2.0], np.float32)])
    assert y.tolist() == [0.0, 2.0]


def test_inputs_of_another_shape_or_number_are_refused():
    ends = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, 4]) for n in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", ends[:1], ends[1:])
    rep = NeuronBackend.prepare(onnx.helper.make_model(graph))
    for inputs, said in (([np.zeros((4, 1), np.float32)], "shape"), ([], "0 inputs")):
        with pytest.raises(ValueError, match=said):
            rep.run(inputs)
