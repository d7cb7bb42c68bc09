"""neuron-oci-hook: make the requested Neuron Devices visible in a container."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import VersionFlag, examples_epilog, new_app, run

EXAMPLES = """neuron-oci-hook < state.json
neuron-oci-hook --node /run/neuron-sim < state.json"""

app = new_app(
    "Make the Neuron Devices in AWS_NEURON_VISIBLE_DEVICES visible in a container. An OCI runtime "
    "starts this command as a createRuntime or prestart hook, with the state of the container on stdin."
)


@app.command(epilog=examples_epilog(EXAMPLES))
def hook(
    node: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(
            metavar="DIR",
            help="The simulated node. Default: the devices in /dev, if any; else the node of $NEURON_SIM_ROOT.",
        ),
    ] = None,
    dev: Annotated[Path, typer.Option(metavar="DIR", help="Directory with the device files of a real node.")] = Path(
        "/dev"
    ),
    version: VersionFlag = False,
) -> None:
    """Make the Neuron Devices in AWS_NEURON_VISIBLE_DEVICES visible in a container."""
    from neuron_tools.oci.hook import run_hook

    run_hook(node, dev)


def main() -> None:
    """Entry point of the console script."""
    run(app)
