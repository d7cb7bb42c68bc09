"""``neuron-cc compile``: compile with a progress display, write the NEFF, say what it is."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec

from neuron_tools.cc.inspect import inspect_report
from runtime_core.compiler import CompileOptions, compile_model
from runtime_core.errors import UsageError
from runtime_core.neff.writer import save_neff


def compile_to_file(model: Path, target: Path, options: CompileOptions, *, as_json: bool) -> str:
    """Compile ``model`` into ``target``; returns what to print."""
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} is no directory: choose another --output")
    started = time.monotonic()
    if sys.stderr.isatty() and not as_json:
        from rich.console import Console

        with Console(stderr=True).status(f"compiling {model.name}"):
            save_neff(compile_model(model, options), target)
    else:
        save_neff(compile_model(model, options), target)
    seconds = time.monotonic() - started
    report = inspect_report(target)
    if as_json:
        return msgspec.json.encode({"compile_seconds": round(seconds, 4), **msgspec.to_builtins(report)}).decode()
    kinds = [node.kind for node in report.nodes]
    return (
        f"{target}: {kinds.count('neuron')} Neuron and {kinds.count('cpu')} CPU node(s) on {report.core_count} "
        f"NeuronCore(s), {report.flops / 1e9:.2f} GFLOP, {report.params_bytes / 2**20:.1f} MiB of parameters, "
        f"{report.file_size_bytes / 2**20:.2f} MiB, compiled in {seconds:.2f} s"
    )
