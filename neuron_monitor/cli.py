"""neuron-monitor: a stream of JSON reports on the Neuron Devices, runtimes and the host."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_tools.console import examples_epilog, new_app, run, show_version

EXAMPLES = """neuron-monitor
neuron-monitor -c monitor.conf | jq '.neuron_runtime_data[].report.neuroncore_counters'
neuron-monitor --once
neuron-monitor --json-schema"""

app = new_app("Stream one JSON report a line on NeuronCores, runtimes, devices and the host.")


@app.command(epilog=examples_epilog(EXAMPLES))
def monitor(
    config_file: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--config-file", "-c", help="Configuration (JSON); default: every metric group, every 5 s."),
    ] = None,
    verbose: Annotated[int, typer.Option(min=0, max=4, help="How much to tell on stderr.")] = 0,
    source: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="sim, sysfs or sysfs:ROOT; default: a real node, else the simulated one."),
    ] = None,
    once: Annotated[bool, typer.Option(help="Write one report, after the shortest period, and end.")] = False,
    schema: Annotated[bool, typer.Option("--json-schema", help="Print the JSON Schema of a line and end.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Stream one JSON report a line on NeuronCores, runtimes, devices and the host."""
    from neuron_monitor.stream import json_schema, stream

    if schema:
        typer.echo(json_schema())
        return
    stream(config_file, source, once=once, verbose=verbose)


def main() -> None:
    """Entry point of the console script."""
    run(app)
