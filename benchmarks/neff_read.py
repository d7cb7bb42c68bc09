"""Reading NEFFs with trained weights of increasing size: seconds, and peak memory relative to the file's size.

For the largest also: making it ready to run from bytes in memory, as a runtime does at a load, and the first execution.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.harness import compare, exponent
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.neff.writer import save_neff

_SIZES_MIB = (32, 64, 128, 256, 500)
_READ = """
import json, sys, time
from pathlib import Path
from runtime_core.neff.reader import load_neff
path = Path(sys.argv[1])

def peak_kib():
    # ru_maxrss would begin with the peak of the process that started this one.
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

before = peak_kib()
started = time.process_time()
neff = load_neff(path)
seconds = time.process_time() - started
peak = (peak_kib() - before) * 1024
print(json.dumps([seconds, peak / path.stat().st_size]))
"""
_LOAD = """
import json, sys, time
from pathlib import Path
import numpy as np
from runtime_core.engine.numerics import load_program
from runtime_core.neff.reader import read_neff
data = Path(sys.argv[1]).read_bytes()

def peak_kib():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

def measured(call):
    started = time.process_time()
    value = call()
    figures.extend([time.process_time() - started, (peak_kib() - before) * 1024 / len(data)])
    return value

figures, before = [], peak_kib()
program = measured(lambda: load_program(read_neff(data)))
measured(lambda: program.run({"x": np.ones((1, 64), np.float32)}))
print(json.dumps(figures))
"""
_LOADED = ("load, seconds", "load, peak / file", "first execution, seconds", "first execution, peak / file")


def _save(path: Path, size: int) -> None:
    x, y = TensorSpec("x", DType.FLOAT32, (1, 64)), TensorSpec("y", DType.FLOAT32, (1, size // 128))
    weight = Parameter(TensorSpec("w", DType.BFLOAT16, (64, size // 128)), 0)
    step = Instruction(EngineKind.PE, "matmul", ("x", "w"), ("y",))
    node = Node("n", NodeKind.NEURON, (x,), (y,), 0, (step,), (weight,), (), size)
    values = np.random.default_rng(0).integers(0, 0x3F80, size // 2, np.uint16)
    save_neff(Neff(Graph("m", (x,), (y,), (node,)), {"n": values.tobytes()}), path)


def measure() -> dict[str, float]:
    """CPU seconds and peaks by size, and the exponent of the seconds."""
    figures: dict[str, float] = {}
    seconds: dict[float, float] = {}
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as folder:
        path = Path(folder) / "m.neff"
        for size_mib in _SIZES_MIB:
            _save(path, size_mib << 20)
            command = [sys.executable, "-P", "-c", _READ, str(path)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds[size_mib], peak = json.loads(done.stdout)
            figures[f"{size_mib} MiB, seconds"] = seconds[size_mib]
            figures[f"{size_mib} MiB, peak / file"] = peak
        command = [sys.executable, "-P", "-c", _LOAD, str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = zip(_LOADED, json.loads(done.stdout), strict=True)
        figures.update((f"{_SIZES_MIB[-1]} MiB, {name}", value) for name, value in found)
    figures["seconds, exponent over bytes"] = exponent(seconds)
    return figures


def main() -> None:
    """Measure the curve."""
    compare("neff_read", "neff_read", measure(), "", {"500 MiB, seconds": 0.5, "500 MiB, peak / file": 1.1})


if __name__ == "__main__":
    main()
