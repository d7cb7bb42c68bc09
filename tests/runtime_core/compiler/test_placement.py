"""Models are placed on as many chips as their memory requires."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from runtime_core.compiler.build import _lowered  # noqa: E402
from runtime_core.compiler.importer import import_model  # noqa: E402
from runtime_core.compiler.options import CompileOptions  # noqa: E402
from runtime_core.compiler.placement import place  # noqa: E402
from runtime_core.compiler.reading import check_model  # noqa: E402
from runtime_core.errors import ModelFileError  # noqa: E402

PRECISION = CompileOptions().precision
LAYERS, WIDTH = 16, 256
WEIGHTS_BYTES = LAYERS * WIDTH * WIDTH * 2
# Instructions, buffers and the runtime's memory for every node.
BESIDE_BYTES = 80_000


@pytest.fixture
def chain():
    """Sixteen products with 128 KiB of bfloat16 weights each."""
    rng = np.random.default_rng(3)
    names = ["x", *(f"v{i}" for i in range(LAYERS - 1)), "y"]
    nodes = [helper.make_node("MatMul", [a, f"w{i}"], [b]) for i, (a, b) in enumerate(zip(names, names[1:]))]
    weights = [numpy_helper.from_array(rng.random((WIDTH, WIDTH), np.float32), f"w{i}") for i in range(LAYERS)]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, WIDTH]) for n in "xy")
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y], weights), ir_version=8)
    module, rest, _ = import_model(check_model(model, "chain"), "chain", None)
    return _lowered(module, rest)


def test_a_model_that_fits_a_chip_stays_on_the_cores_it_was_given(chain):
    assert {run.core for run in place(chain, 1, PRECISION, "chain")} == {0}
    assert {run.core for run in place(chain, 3, PRECISION, "chain")} == {0, 1, 2}


def test_a_model_larger_than_a_chip_goes_over_several(chain):
    runs = place(chain, 1, PRECISION, "chain", device_bytes=WEIGHTS_BYTES // 2 + 4 * BESIDE_BYTES)
    assert [run.core for run in runs] == list(range(8))
    assert [op for run in runs for op in run.ops] == chain.ops


def test_an_instruction_larger_than_a_chip_fits_nowhere(chain):
    with pytest.raises(ModelFileError, match="needs more than"):
        place(chain, 1, PRECISION, "chain", device_bytes=100_000)
