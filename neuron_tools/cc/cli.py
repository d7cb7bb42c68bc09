"""neuron-cc: compile models to NEFF files and inspect NEFF files."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import JsonFlag, VersionFlag, new_app, run
from neuron_tools.cc.frameworks.choice import Framework
from runtime_core.compiler.options import CastType, CompileOptions, Fp32Cast

app = new_app(
    "Compile ONNX models to NEFF files for a simulated Inf1 node, and inspect NEFF files.",
    """neuron-cc compile resnet50.onnx --output resnet50.neff --batch 4
neuron-cc compile bert.onnx -o bert.neff --neuroncore-pipeline-cores 4
neuron-cc compile detector.onnx --report
neuron-cc compile module.pt2 --batch 8 --dynamic-batch
neuron-cc inspect resnet50.neff""",
)


@app.callback()
def main_options(
    version: VersionFlag = False,
) -> None:
    """Options of neuron-cc itself."""


@app.command(name="compile")
def compile_command(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="The ONNX file, or a program written by torch.export.save.")
    ],
    output: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--output", "-o", help="The NEFF file to write. Default: next to the model."),
    ] = None,
    framework: Annotated[
        Optional[Framework],  # noqa: UP045
        typer.Option(case_sensitive=False, help="Framework of the model. Default: derived from the file name."),
    ] = None,
    pipeline_cores: Annotated[
        int, typer.Option("--neuroncore-pipeline-cores", help="Number of NeuronCores to spread the model over.")
    ] = 1,
    batch: Annotated[Optional[int], typer.Option(help="Samples per execution.")] = None,  # noqa: UP045
    dynamic_batch: Annotated[
        bool,
        typer.Option(
            "--dynamic-batch", help="Accept any number of samples at run time; they execute --batch at a time."
        ),
    ] = False,
    fp32_cast: Annotated[
        Fp32Cast,
        typer.Option(help="Values that are cast to 16 bits: weights and matrix inputs, only matrix inputs, or none."),
    ] = Fp32Cast.ALL,
    cast_type: Annotated[CastType, typer.Option(help="The 16-bit type that FP32 is cast to.")] = CastType.BF16,
    fast_math: Annotated[
        bool, typer.Option("--fast-math", help="Also keep values between instructions in 16 bits.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Print where each operator runs, and why some run on the CPU.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Compile a model to a NEFF."""
    from neuron_tools.cc.compile_command import compile_to_file

    options = CompileOptions(pipeline_cores, batch, fp32_cast, cast_type, fast_math, dynamic_batch)
    target = output or model.with_suffix(".neff")
    typer.echo(compile_to_file(model, target, options, framework=framework, with_report=report, as_json=as_json))


@app.command()
def inspect(
    neff: Annotated[Path, typer.Argument(metavar="MODEL.neff", help="The NEFF file.")],
    as_json: JsonFlag = False,
) -> None:
    """Show the header, nodes, cores and sizes of a NEFF file."""
    from neuron_tools.cc.inspect import format_report, inspect_report, json_report

    report = inspect_report(neff)
    typer.echo(json_report(report) if as_json else format_report(report))


def main() -> None:
    """Entry point of the console script."""
    run(app)
