"""neuron-top: the screen an operator keeps open."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

import enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import TrustNodeFlag, examples_epilog, new_app, run, show_version

EXAMPLES = """neuron-top
neuron-top --interval 0.5 --view processes
neuron-top --once
neuron-top --replay incident.nrec
neuron-top unix:/run/neuron2.sock
neuron-top --remote inf1-a:8000 --remote inf1-b:8000
neuron-top --hostfile nodes.txt
neuron-top --sd http://127.0.0.1:9200/sd                    # Prometheus's service discovery, URL or file
neuron-top --prometheus http://prometheus:9090              # its targets, and their history
neuron-top --prometheus http://prometheus:9090 --once --csv
neuron-top --read-only
neuron-top --serve --port 8080"""


class ViewName(enum.Enum):
    """The views of the screen; spelled out here, for their own table loads Textual."""

    OVERVIEW = "overview"
    CORES = "cores"
    HISTORY = "history"
    PROCESSES = "processes"
    MODELS = "models"
    TOPOLOGY = "topology"
    EVENTS = "events"


_PORT = 8001

app = new_app("Watch NeuronCores, vCPUs, memory and models of this instance, live.")


@app.command(epilog=examples_epilog(EXAMPLES))
def top(
    names: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads the annotation at run time
        typer.Argument(
            metavar="[ADDRESS]...",
            help="neuron-rtd daemons to watch too, unix:PATH or HOST:PORT; default: $NEURON_RTD_ADDRESS, else "
            "unix:/run/neuron.sock where it is. With --remote: more nodes.",
        ),
    ] = None,
    interval: Annotated[
        Optional[float],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(min=0.05, max=3600.0, help="Seconds between two snapshots; default: 1, for a fleet 5."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print one frame and exit.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="With --once, of many nodes: print the table as CSV.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --once, of many nodes: print the table as JSON.")
    ] = False,
    source: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(help="sim, sysfs, sysfs:ROOT or replay:FILE; default: a real node, else the simulated one."),
    ] = None,
    remote: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(metavar="HOST:PORT", help="Watch the node of a neuron-monitor that serves Prometheus metrics."),
    ] = None,
    hostfile: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(metavar="FILE", help="Watch the nodes in a file, one HOST:PORT per line."),
    ] = None,
    discovery: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(
            "--sd",
            metavar="URL|FILE",
            help="Watch the nodes of a Prometheus service discovery: a URL or a JSON file.",
        ),
    ] = None,
    prometheus: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(metavar="URL", help="Watch the neuron-monitors that this Prometheus scrapes, with their history."),
    ] = None,
    replay: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(metavar="FILE", help="Show a recording of neuron-sim record; < and > move in time."),
    ] = None,
    view: Annotated[
        Optional[ViewName],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(help="The initial view; default: the last one used."),
    ] = None,
    plain: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII characters only.")] = False,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Send no signals and write no files (settings, screenshots).")
    ] = False,
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Show it in a browser on this machine, read-only; prints the link to open."),
    ] = False,
    allow_signals: Annotated[
        bool, typer.Option("--allow-signals", help="With --serve: pages may send signals to your processes.")
    ] = False,
    port: Annotated[
        Optional[int],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(min=0, max=65535, help="Port of --serve; 0: any free port.", show_default="8001"),
    ] = None,
    trust_node: TrustNodeFlag = False,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Watch NeuronCores, vCPUs, memory and models of this instance, or of many, live."""
    from neuron_top.start import Wish, start

    wish = Wish(
        interval, once, source, view.value if view is not None else None, plain,
        tuple(names or ()), tuple(remote or ()), hostfile, replay, read_only,
        tuple(discovery or ()), prometheus, as_csv, as_json,
    )  # fmt: skip
    if serve:
        from neuron_top.serve.server import serve_wish

        serve_wish(wish, _PORT if port is None else port, allow_signals=allow_signals)
        return
    for option, given in (("--allow-signals", allow_signals), ("--port", port is not None)):
        if given:
            raise typer.BadParameter("requires --serve", param_hint=option)
    start(wish)


def main() -> None:
    """Entry point of the console script."""
    run(app)
