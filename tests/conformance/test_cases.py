"""Models of users and random graphs that were refused or computed wrongly in the past: ``cases/NAME.onnx``.

The ``.npz`` file of each has its inputs (``in_*``) and the correct outputs (``out_*``).
"""

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from runtime_core.compiler.onnx_backend import NeuronBackend  # noqa: E402

CASES = sorted((Path(__file__).parent / "cases").glob("*.onnx"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case_has_its_right_outputs(path):
    model, arrays = onnx.load(path), np.load(path.with_suffix(".npz"))
    inputs = [arrays[f"in_{i.name}"] for i in model.graph.input if f"in_{i.name}" in arrays]
    got = NeuronBackend.prepare(model).run(inputs)
    for output, value in zip(model.graph.output, got, strict=True):
        want = arrays[f"out_{output.name}"]
        assert (value.dtype, value.shape) == (want.dtype, want.shape)
        np.testing.assert_allclose(value.astype(np.float64), want.astype(np.float64), rtol=2e-3, atol=1e-4)
