"""Without the extra the commands say what to install."""

import subprocess
import sys

import pytest

WITHOUT_GRPC = """
import sys
sys.modules["grpc"] = None
sys.argv[0] = "command"
from {module}.cli import main
main()
"""


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("neuron_tools.rtd", ["-g", "unix:/tmp/never.sock"]), ("neuron_tools.neuron_cli", ["list-ncg"])],
)
def test_grpc_is_not_installed(module, arguments):
    code = WITHOUT_GRPC.format(module=module)
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "command: the package 'grpc' is not installed: pip install 'neuron-tools-sim[rtd]'\n"
