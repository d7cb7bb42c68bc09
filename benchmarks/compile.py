"""Time and memory to compile to a NEFF, compared with an onnxruntime session of the same file."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from benchmarks.harness import Figure, report
from benchmarks.networks import NETWORKS, best_seconds, geometric_mean, path_of, session
from runtime_core.compiler import compile as compile_model
from runtime_core.neff.writer import encode_neff, save_neff


def _peak_bytes(what: str, model: Path, target: Path) -> int:
    """Time and memory of a separate process for one compilation or session, without its imports."""
    command = [sys.executable, "-m", "benchmarks.compile", what, str(model), str(target)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _in_process(what: str, model: Path, target: Path) -> None:
    # Compile a small network first, to exclude one-time costs of the process.
    small = path_of("squeezenet")
    save_neff(compile_model(small), target) if what == "ours" else session(small)
    before = psutil.Process().memory_info().rss
    Path("/proc/self/clear_refs").write_text("5")  # resets the kernel's high-water mark
    save_neff(compile_model(model), target) if what == "ours" else session(model)
    peak_kib = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(int(peak_kib.split()[1]) * 1024 - before)


def main() -> None:
    """Measure the light networks, and ResNet-50 with weights that are not constants."""
    figures = []
    ratios = []
    for name in NETWORKS:
        path = path_of(name)
        ours, theirs = best_seconds(lambda: encode_neff(compile_model(path)), lambda: session(path), runs=3)  # noqa: B023
        ratios.append(ours / theirs)
        note = f"{ours * 1e3:.0f} ms; onnxruntime's session {theirs * 1e3:.0f} ms"
        goal = 3.0 if name == "resnet50" else None
        figures.append(Figure(f"{name}: compile / session", ours / theirs, "x", goal, note=note))
    figures.append(Figure("light networks, geometric mean", geometric_mean(ratios), "x"))
    with tempfile.TemporaryDirectory() as folder:
        model, target = Path(folder, "resnet50.onnx"), Path(folder, "resnet50.neff")
        command = [sys.executable, "-m", "neuron_tools.models", "resnet50", "--batch", "1", "-o", str(model)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        ours, theirs = best_seconds(lambda: encode_neff(compile_model(model)), lambda: session(model))
        note = f"{ours * 1e3:.0f} ms; onnxruntime's session {theirs * 1e3:.0f} ms"
        figures.append(Figure("resnet50 with random weights: compile / session", ours / theirs, "x", 3.0, note=note))
        size_bytes = model.stat().st_size
        peak, peer = (_peak_bytes(what, model, target) for what in ("ours", "theirs"))
        note = f"of {size_bytes / 1e6:.0f} MB; onnxruntime's session {peer / size_bytes:.2f} x"
        figures.append(Figure("resnet50: peak memory / file size", peak / size_bytes, "x", 3.0, note=note))
    report("compile", figures)


if __name__ == "__main__":
    _in_process(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
