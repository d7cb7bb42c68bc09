"""neuron-gatherinfo: check the node, and create an archive for support."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import JsonFlag, VersionFlag, examples_epilog, new_app, run

EXAMPLES = """neuron-gatherinfo
neuron-gatherinfo --json
neuron-gatherinfo --bundle neuron-info.tgz
neuron-gatherinfo --health        # for example as Slurm's HealthCheckProgram
neuron-gatherinfo --source sysfs:/tmp/tree --monitor 127.0.0.1:9000"""
SUMMARY = (
    "Check the node and its environment. Each check reports pass, warn or fail, and how to fix a problem. "
    "Exit status: 0 if all checks pass, 1 if one warns, 2 if one fails."
)

app = new_app(SUMMARY)

EXIT_STATUS = (
    ("0", "every check passes"),
    ("1", "a check warns, or the bundle cannot be written"),
    ("2", "a check fails, or the command line is invalid"),
    ("130", "stopped by Ctrl-C"),
)
"""For the man page: other commands exit with 1 on any failure."""


@app.command(epilog=examples_epilog(EXAMPLES), help=SUMMARY)
def gather(
    source: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(help="Node to read: sim, sysfs or sysfs:ROOT. Default: a real node if present, else sim."),
    ] = None,
    monitor: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="HOST:PORT",
            help="Address of a metrics exporter that must answer. Default: 127.0.0.1:8000, if one listens.",
        ),
    ] = None,
    bundle: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            metavar="FILE", help="Also write an archive (.tgz) with the report and its data, without secrets."
        ),
    ] = None,
    health: Annotated[
        bool,
        typer.Option("--health", help="Print only whether the node is healthy. Exit status: 0 healthy, 1 not."),
    ] = False,
    keep_hosts: Annotated[bool, typer.Option(help="Keep host names and addresses in the bundle.")] = False,
    as_json: JsonFlag = False,
    version: VersionFlag = False,
) -> None:
    """Check the node and its environment."""
    if health:
        from neuron_tools.gatherinfo.health import show_health

        raise typer.Exit(show_health(source, as_json=as_json))
    from neuron_tools.gatherinfo.command import gather_info

    raise typer.Exit(gather_info(source, monitor, bundle, keep_hosts=keep_hosts, as_json=as_json))


def main() -> None:
    """Entry point of the console script."""
    run(app)
