"""``neuron-cc compile``: compile with a progress display, write the NEFF, and describe it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from neuron_console.units import format_bytes, format_quantity, rounded
from neuron_tools.cc.frameworks.choice import Framework, read_model
from neuron_tools.cc.inspect import inspect_report
from neuron_tools.cc.report_table import format_report
from runtime_core.compiler import CompileOptions, OnStage, compile_with_report
from runtime_core.errors import UsageError
from runtime_core.neff.header import HEADER_BYTES, starts_neff
from runtime_core.neff.writer import save_neff


def compile_to_file(
    model: Path,
    target: Path,
    options: CompileOptions,
    *,
    framework: Framework | None = None,
    with_report: bool = False,
    as_json: bool = False,
) -> str:
    """Compile ``model`` to ``target``; return the text to print."""
    if not target.parent.is_dir():
        raise UsageError("not a directory", where=str(target.parent), mend="choose another --output")
    _check_replaceable(target, model)
    started = time.monotonic()
    with _stages(model.name, shown=sys.stderr.isatty() and not as_json) as on_stage:
        compiled = compile_with_report(read_model(model, framework), options, on_stage)
        on_stage("packing")
        save_neff(compiled.neff, target)
    seconds = time.monotonic() - started
    report = inspect_report(target)
    if as_json:
        facts = {"compile_seconds": round(seconds, 4), **msgspec.to_builtins(report)}
        if with_report:
            facts["report"] = {
                **msgspec.to_builtins(compiled.report),
                "neuron_flop_ratio": compiled.report.neuron_flop_ratio,
            }
        return json.dumps(rounded(facts))
    kinds = [node.kind for node in report.nodes]
    line = (
        f"{target}: {kinds.count('neuron')} Neuron and {kinds.count('cpu')} CPU node(s) on {report.core_count} "
        f"NeuronCore(s), {format_quantity(report.flops, 'FLOP')}, {format_bytes(report.params_bytes)} of parameters, "
        f"{format_bytes(report.file_size_bytes)}, compiled in {seconds:.2f} s"
    )
    if report.core_count < options.pipeline_cores:
        line += f"\n{options.pipeline_cores} NeuronCores were requested: the model has work for {report.core_count}"
    line += "".join(f"\nnote: {note}" for note in compiled.report.notes)
    return f"{line}\n\n{format_report(compiled.report)}" if with_report else line


def _check_replaceable(target: Path, model: Path) -> None:
    """Refuse to replace the model, its external data, or any other file that is not a NEFF."""
    mend = "choose another --output"
    try:
        if os.path.samefile(target, model):
            raise UsageError("the output is the model itself", where=str(target), mend=mend)
        if not target.is_file():
            return
        with target.open("rb") as file:
            start = file.read(HEADER_BYTES)
    except OSError:
        # There is no such file yet, or writing it will say what is wrong.
        return
    if start and not starts_neff(start):
        raise UsageError("the file exists and is not a NEFF: it would be lost", where=str(target), mend=mend)


@contextlib.contextmanager
def _stages(name: str, *, shown: bool) -> Iterator[OnStage]:
    """Show the current stage of the compiler on stderr."""
    if not shown:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"compiling {name}")
        yield lambda stage: progress.update(task, description=f"compiling {name}: {stage}")
