"""neuron-cli: manage the NeuronCore Groups and networks of a neuron-rtd."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import JsonFlag, VersionFlag, new_app, run

app = new_app(
    "Manage the NeuronCore Groups and networks of a neuron-rtd; $NEURON_RTD_ADDRESS is its address.",
    """neuron-cli create-ncg -n 4
neuron-cli load resnet50.neff --ncg-id 1
neuron-cli start 10001
neuron-cli infer 10001 --input data=picture.npy --output-dir results
neuron-cli list-model --json
neuron-cli reset""",
)

ModelId = Annotated[int, typer.Argument(metavar="MODEL_ID", min=1, help="Model id, see list-model.")]


@app.callback()
def main_options(
    context: typer.Context,
    address: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(
            "--address", "-g", envvar="NEURON_RTD_ADDRESS", help="Address of the daemon: server:port or unix:/path."
        ),
    ] = None,
    version: VersionFlag = False,
) -> None:
    """Options of neuron-cli itself."""
    context.obj = address


@app.command(name="list-ncg")
def list_ncg(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List the NeuronCore Groups."""
    from neuron_tools.neuron_cli import commands

    typer.echo(commands.list_groups(context.obj, as_json=as_json))


@app.command(name="create-ncg")
def create_ncg(
    context: typer.Context,
    nc_count: Annotated[
        int,
        typer.Option(
            "--nc-count", "-n", min=0, help="Number of NeuronCores; 0: as many free neighbouring cores as possible."
        ),
    ] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Create a NeuronCore Group."""
    from neuron_tools.neuron_cli import commands

    typer.echo(commands.create_group(context.obj, nc_count, as_json=as_json))


@app.command(name="destroy-ncg")
def destroy_ncg(
    context: typer.Context,
    ncg_id: Annotated[int, typer.Argument(metavar="NCG_ID", min=1, help="Group id, see list-ncg.")],
    as_json: JsonFlag = False,
) -> None:
    """Destroy an empty NeuronCore Group."""
    from neuron_tools.neuron_cli import commands

    typer.echo(commands.destroy_group(context.obj, ncg_id, as_json=as_json))


@app.command(name="list-model")
def list_model(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List the loaded networks."""
    from neuron_tools.neuron_cli import commands

    typer.echo(commands.list_models(context.obj, as_json=as_json))


@app.command()
def load(
    context: typer.Context,
    neff: Annotated[Path, typer.Argument(metavar="MODEL.neff", help="The NEFF file.")],
    ncg_id: Annotated[
        int, typer.Option("--ncg-id", min=0, help="Group to load into; 0: create a group and start the model.")
    ] = 0,
    ninfer: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Slots of the inference queue. Default: set by the daemon."),
    ] = None,
    timeout: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Seconds until an inference on a NeuronCore times out. Default: set by the daemon."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Load a network."""
    from neuron_tools.neuron_cli import commands

    typer.echo(commands.load(context.obj, neff, ncg_id, ninfer, timeout, as_json=as_json))


@app.command()
def start(context: typer.Context, model_id: ModelId, as_json: JsonFlag = False) -> None:
    """Start a network; the running network of its group is stopped."""
    from neuron_tools.neuron_cli import commands

    typer.echo(commands.start(context.obj, model_id, as_json=as_json))


@app.command()
def stop(context: typer.Context, model_id: ModelId, as_json: JsonFlag = False) -> None:
    """Put a network in standby."""
    from neuron_tools.neuron_cli import commands

    typer.echo(commands.stop(context.obj, model_id, as_json=as_json))


@app.command()
def infer(
    context: typer.Context,
    model_id: ModelId,
    inputs: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--input", "-i", metavar="NAME=FILE", help="Input from a file: .npy or raw bytes. Can be repeated."
        ),
    ] = None,
    output_dir: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--output-dir", "-o", help="Directory to write each output to, as NAME.npy."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Number of inferences, one after another.")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Run inferences on a started network."""
    from neuron_tools.neuron_cli.infer import infer as run_inferences

    typer.echo(run_inferences(context.obj, model_id, inputs or [], output_dir, count, as_json=as_json))


@app.command()
def unload(context: typer.Context, model_id: ModelId, as_json: JsonFlag = False) -> None:
    """Unload a network."""
    from neuron_tools.neuron_cli import commands

    typer.echo(commands.unload(context.obj, model_id, as_json=as_json))


@app.command()
def reset(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Unload every network and destroy every NeuronCore Group."""
    from neuron_tools.neuron_cli import commands

    typer.echo(commands.reset(context.obj, as_json=as_json))


def main() -> None:
    """Entry point of the console script."""
    run(app)
