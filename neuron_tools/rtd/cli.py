"""neuron-rtd: run networks for other processes, over gRPC."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import examples_epilog, new_app, run, show_version

EXAMPLES = """neuron-rtd -g unix:/run/user/1000/neuron.sock
neuron-rtd -t 0000:00:1f.0 -t 0000:00:1e.0 -g unix:/tmp/neuron1.sock
neuron-rtd -c /opt/aws/neuron/config/neuron-rtd.config -i first -l 7 -x"""
SUMMARY = "Run networks on Neuron Devices for other processes, over gRPC (Runtime 1.x)."

app = new_app(SUMMARY)


@app.command(epilog=examples_epilog(EXAMPLES), help=SUMMARY)
def rtd(
    devices: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(
            "-t", metavar="BDF", help="PCI address of a device to use; can be repeated. Default: all devices."
        ),
    ] = None,
    address: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("-g", metavar="ADDRESS", help="Address to listen on: server:port or unix:/path."),
    ] = None,
    config: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("-c", metavar="FILE", help="Configuration file (JSON); options on the command line override it."),
    ] = None,
    name: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("-i", metavar="NAME", help="Name of the daemon in the tools."),
    ] = None,
    level: Annotated[
        int,
        typer.Option("-l", metavar="LEVEL", min=0, max=7, help="Log level, 0 (emergencies) to 7 (debugging)."),
    ] = 6,
    console: Annotated[bool, typer.Option("-x", help="Log to stderr instead of syslog.")] = False,
    version: Annotated[
        bool, typer.Option("-v", "--version", callback=show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Run the daemon."""
    from neuron_tools.rtd.options import daemon_config
    from runtime_core.rtd.daemon import serve

    serve(daemon_config(config, devices or [], address, name, level, console=console))


def main() -> None:
    """Entry point of the console script."""
    run(app)
