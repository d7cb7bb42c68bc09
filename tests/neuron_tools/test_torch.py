"""PyTorch modules are compiled to NEFFs with the same results."""

import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is optional, and large")
pytest.importorskip("onnxscript", reason="torch's exporter needs it")

from neuron_tools.torch import trace  # noqa: E402
from runtime_core.compiler import CompileOptions, Fp32Cast  # noqa: E402
from runtime_core.engine.numerics import load_program  # noqa: E402
from runtime_core.errors import ModelFileError  # noqa: E402
from runtime_core.neff.graph import NodeKind  # noqa: E402

EXACT = CompileOptions(fp32_cast=Fp32Cast.NONE)


class Pooled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3)
        self.linear = torch.nn.Linear(8, 4)

    def forward(self, x):
        return self.linear(torch.relu(self.conv(x)).mean((2, 3)))


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(1)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (Pooled, (2, 3, 16, 16)),
        (lambda: torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), (2, 10, 32)),
    ],
)
def test_a_module_gives_its_numbers_on_the_cores(make, shape):
    module, x = make().eval(), torch.randn(*shape)
    neff = trace(module, (x,), EXACT)
    assert {n.kind for n in neff.graph.nodes} == {NodeKind.NEURON}
    (found,) = load_program(neff).run({neff.graph.inputs[0].name: x.numpy()}).values()
    np.testing.assert_allclose(found, module(x).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_a_module_that_can_not_be_exported_ends_in_one_line():
    class Branching(torch.nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(ModelFileError, match="cannot export") as caught:
        trace(Branching(), (torch.randn(3),))
    assert "\n" not in str(caught.value)


def test_an_exported_program_is_compiled_from_its_file(command, tmp_path):
    path = tmp_path / "pooled.pt2"
    torch.export.save(torch.export.export(Pooled().eval(), (torch.randn(1, 3, 8, 8),)), path)
    done = command("neuron_tools.cc", "compile", path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert path.with_suffix(".neff").is_file()
    path.write_bytes(b"PK junk")
    done = command("neuron_tools.cc", "compile", path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_nothing_else_imports_torch():
    code = "import sys, neuron_tools.cc.cli, neuron_tools.cc.compile_command; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
