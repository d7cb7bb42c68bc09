"""neuron-oci-hook: makes the Neuron Devices that a container asks for visible in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import VersionFlag, examples_epilog, new_app, run

EXAMPLES = """neuron-oci-hook < state.json
neuron-oci-hook --node /run/neuron-sim < state.json"""

app = new_app(
    "Make the Neuron Devices that a container asks for with AWS_NEURON_VISIBLE_DEVICES visible in it. An OCI runtime "
    "starts this as a createRuntime or prestart hook, with the container's state on stdin."
)


@app.command(epilog=examples_epilog(EXAMPLES))
def hook(
    node: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(
            metavar="DIR",
            help="The simulated node; default: the devices in /dev where there are any, else the environment's node.",
        ),
    ] = None,
    dev: Annotated[Path, typer.Option(metavar="DIR", help="Where a real node's device files are.")] = Path("/dev"),
    version: VersionFlag = False,
) -> None:
    """Make the Neuron Devices that a container asks for with AWS_NEURON_VISIBLE_DEVICES visible in it."""
    from neuron_tools.oci.hook import run_hook

    run_hook(node, dev)


def main() -> None:
    """Entry point of the console script."""
    run(app)
