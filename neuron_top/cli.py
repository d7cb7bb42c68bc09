"""neuron-top: the screen an operator keeps open."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from neuron_tools.console import examples_epilog, new_app, run, show_version

EXAMPLES = """neuron-top
neuron-top --interval 0.5
neuron-top --once"""

app = new_app("Watch NeuronCores, vCPUs, memory and models of this instance, live.")


@app.command(epilog=examples_epilog(EXAMPLES))
def top(
    interval: Annotated[float, typer.Option(min=0.05, max=3600.0, help="Seconds between two looks.")] = 1.0,
    once: Annotated[bool, typer.Option(help="Print one frame and end.")] = False,
    source: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(help="sim, sysfs or sysfs:ROOT; default: a real node, else the simulated one."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Watch NeuronCores, vCPUs, memory and models of this instance, live."""
    from runtime_core.telemetry import open_source

    opened = open_source(source)
    if once:
        from neuron_top.once import print_once

        print_once(opened, interval)
        return
    from neuron_top.app import NeuronTop

    NeuronTop(opened, interval).run()


def main() -> None:
    """Entry point of the console script."""
    run(app)
