"""neuron-profile: show how the time of one execution is spent."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import JsonFlag, VersionFlag, new_app, run

app = new_app(
    "Show how the time of one execution is spent: engines, DRAM, links, CPU nodes.",
    """neuron-profile view resnet50.neff
neuron-profile capture resnet50.neff -o resnet50.trace.json.gz
neuron-profile capture resnet50.neff --tensorboard logs""",
)
_ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="A NEFF file, or an ONNX file to compile.")]
_StartCoreOption = Annotated[
    int,
    typer.Option(
        min=0, help="First NeuronCore of the model. It determines where a pipeline crosses from chip to chip."
    ),
]


@app.callback()
def main_options(
    version: VersionFlag = False,
) -> None:
    """Options of neuron-profile itself."""


@app.command()
def capture(
    model: _ModelArgument,
    output: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(
            "--output", "-o", metavar="FILE", help="Trace file for Perfetto (JSON); compressed if it ends in .gz."
        ),
    ] = None,
    tensorboard: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="LOGDIR", help="Write a profile for TensorBoard to this directory."),
    ] = None,
    start_core: _StartCoreOption = 0,
) -> None:
    """Write the timeline of one execution. Default: MODEL.trace.json in the current directory."""
    from neuron_tools.profile import commands

    typer.echo(commands.capture(model, output, tensorboard, start_core))


@app.command()
def view(
    model: _ModelArgument,
    rows: Annotated[int, typer.Option(min=1, help="Number of operators to show.")] = 20,
    start_core: _StartCoreOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Print the slowest operators and what limits each: compute, DRAM, link or host."""
    from neuron_tools.profile import commands

    typer.echo(commands.view(model, rows, start_core, as_json=as_json))


def main() -> None:
    """Entry point of the console script."""
    run(app)
