"""The whole process of neuron-ls beside other programs' starts."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from benchmarks.harness import Figure, process_seconds, report
from runtime_core.driver.node import set_up

_BIN = Path(sys.executable).parent


def _glances() -> list[str] | None:
    """Glances in an environment of its own (it brings pydantic, which would change what importing typer costs)."""
    folder = Path(__file__).parent / "results" / "peers"
    program = folder / "bin" / "glances"
    if not program.exists():
        venv.create(folder, with_pip=True)
        installed = subprocess.run(
            [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "glances"], check=False
        )
        if installed.returncode:
            return None
    return [str(program), "--version"]


def main() -> None:
    """Measure neuron-ls on an idle xlarge and 24xlarge."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as folder:
        typer = process_seconds([sys.executable, "-c", "import typer"]) * 1000
        for size in ("inf1.xlarge", "inf1.24xlarge"):
            root = Path(folder) / size
            set_up(root, type_name=size)
            environment = {**os.environ, "NEURON_SIM_ROOT": str(root), "NEURON_SOURCE": "sim"}
            for flags in ([], ["-j"]):
                time = process_seconds([str(_BIN / "neuron-ls"), *flags], env=environment) * 1000
                name = " ".join(["neuron-ls", *flags, f"({size})"])
                figures.append(Figure(name, time, "ms"))
                figures.append(Figure(f"  ratio to import typer, {size}", time / typer, "x", 1.6))
        figures.append(Figure("peer: python -c 'import typer'", typer, "ms"))
        figures.append(Figure("peer: lscpu", process_seconds(["lscpu"]) * 1000, "ms"))
        glances = _glances()
        if glances is not None:
            figures.append(Figure("peer: glances --version", process_seconds(glances) * 1000, "ms"))
    report("ls", figures)
