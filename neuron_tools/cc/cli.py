"""neuron-cc: compile models to NEFF files and look into them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_tools.console import JsonFlag, VersionFlag, new_app, run
from runtime_core.compiler.options import Fp32Cast

app = new_app(
    "Compile ONNX models to NEFF files for a simulated Inf1 node, and look into NEFF files.",
    """neuron-cc compile resnet50.onnx --output resnet50.neff --batch 4
neuron-cc compile bert.onnx -o bert.neff --neuroncore-pipeline-cores 4
neuron-cc inspect resnet50.neff""",
)


@app.callback()
def main_options(
    version: VersionFlag = False,
) -> None:
    """Options of neuron-cc itself."""


@app.command(name="compile")
def compile_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="The ONNX file.")],
    output: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--output", "-o", help="The NEFF to write; default: beside the model."),
    ] = None,
    pipeline_cores: Annotated[
        int, typer.Option("--neuroncore-pipeline-cores", help="NeuronCores to spread the model over.")
    ] = 1,
    batch: Annotated[Optional[int], typer.Option(help="Samples an execution.")] = None,  # noqa: UP045
    fp32_cast: Annotated[
        Fp32Cast, typer.Option(help="What becomes bfloat16: weights and matrix inputs, matrix inputs only, or nothing.")
    ] = Fp32Cast.ALL,
    as_json: JsonFlag = False,
) -> None:
    """Compile an ONNX model to a NEFF."""
    from neuron_tools.cc.compile_command import compile_to_file
    from runtime_core.compiler import CompileOptions

    target = output or model.with_suffix(".neff")
    typer.echo(compile_to_file(model, target, CompileOptions(pipeline_cores, batch, fp32_cast), as_json=as_json))


@app.command()
def inspect(
    neff: Annotated[Path, typer.Argument(metavar="MODEL.neff", help="The NEFF file.")],
    as_json: JsonFlag = False,
) -> None:
    """Show header, nodes, cores and sizes of a NEFF."""
    import msgspec

    from neuron_tools.cc.inspect import format_report, inspect_report

    report = inspect_report(neff)
    typer.echo(msgspec.json.encode(report).decode() if as_json else format_report(report))


def main() -> None:
    """Entry point of the console script."""
    run(app)
