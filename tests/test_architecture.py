"""The layers hold: data flows one way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VIEWERS = ("neuron_ls", "neuron_top", "neuron_monitor")


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("viewer", VIEWERS)
def test_viewers_read_telemetry_and_nothing_else_of_the_machine(viewer):
    for path in (ROOT / viewer).rglob("*.py"):
        for name in imports(path):
            if name.startswith("runtime_core."):
                assert name.startswith("runtime_core.telemetry"), f"{path} imports {name}"


def test_the_machine_knows_no_screen_and_no_command_line():
    for path in (ROOT / "runtime_core").rglob("*.py"):
        for name in imports(path):
            top = name.partition(".")[0]
            assert top not in {"typer", "rich", "textual", "neuron_tools", *VIEWERS}, f"{path} imports {name}"


@pytest.mark.parametrize("package", ["runtime_core", "neuron_tools", *VIEWERS])
def test_nothing_is_unpickled_and_no_shell_is_used(package):
    for path in (ROOT / package).rglob("*.py"):
        assert not {"pickle", "marshal", "shelve", "dill"} & set(imports(path)), path
        assert "shell=True" not in path.read_text(), path


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("runtime_core.telemetry.simulated", ("numpy", "msgspec", "psutil", "tempfile", "shutil", "random")),
        ("neuron_ls.listing", ("numpy", "rich", "textual", "psutil", "msgspec", "grpc", "onnx")),
        ("neuron_monitor.stream", ("numpy", "rich", "textual", "onnx", "prometheus_client")),
        ("neuron_top.cli", ("numpy", "textual", "onnx")),
    ],
)
def test_start_pays_for_no_heavy_module(module, heavy):
    code = f"import sys, {module}; print(*[m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
