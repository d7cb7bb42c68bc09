"""``neuron-sim fleet``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import JsonFlag, new_app
from neuron_console.extras import requires
from neuron_tools.sweep.options import Choice, EngineOption, WorkersOption
from runtime_core.driver.faults.table import ErrorClass, FaultKind, Side

app = new_app(
    "Virtual fleets: serve the metrics of thousands of nodes to a real Prometheus, or run a week of them in minutes.",
    """neuron-sim fleet check fleet.yaml
neuron-sim fleet check fleet.yaml --executed 10m
neuron-sim fleet up fleet.yaml
neuron-sim fleet up fleet.yaml --listen 127.0.0.1:9200 --reduced --processes 2
neuron-sim fleet status
neuron-sim fleet fault web-0003 core-hang --core 3 --for 5m
neuron-sim fleet fault 'web-*' --clear
neuron-sim fleet down
neuron-sim fleet run fleet.yaml --days 7 --out week
neuron-sim fleet run fleet.yaml --days 1 --out day --step 15s --workers 2 --json""",
)
FleetFile = Annotated[Path, typer.Argument(metavar="FILE", help="The fleet file (YAML).")]


@app.command()
def up(
    file: FleetFile,
    address: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Address to serve on; port 0 takes a free one.")
    ] = "127.0.0.1:9200",
    reduced: Annotated[bool, typer.Option("--reduced", help="Serve reduced pages: by tag and device, less detail.")] = (
        False
    ),
    processes: Annotated[int, typer.Option(min=1, max=64, help="Number of processes that serve.")] = 1,
) -> None:
    """Serve a fleet until Ctrl-C or 'neuron-sim fleet down'."""
    with requires("scenario"):
        from neuron_tools.fleet import command

    raise typer.Exit(command.up(command.UpPlan(file, address, reduced, processes)))


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Fleet files.")],
    executed: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(
            metavar="DURATION",
            help="Also run the last node of each group execution by execution for DURATION, and compare its page.",
        ),
    ] = None,
) -> None:
    """Check fleet files without serving them. Exit status 1 if a page differs by more than the documentation states."""
    with requires("scenario"):
        from neuron_tools.fleet import command

    raise typer.Exit(command.check(files, executed))


@app.command()
def run(
    file: FleetFile,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the reports; made if it does not exist.")],
    days: Annotated[float, typer.Option(min=0.0, max=400.0, help="Days of virtual time; 0.25 is six hours.")] = 7.0,
    step: Annotated[
        str, typer.Option(metavar="DURATION", help="Time between two scrapes and evaluations of the rules.")
    ] = "1m",
    seed: Annotated[
        Optional[int],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(min=0, max=2**32 - 1, help="Seed in place of the file's."),
    ] = None,
    start: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="TIME",
            help="Date of the first scrape, such as 2026-01-31T00:00:00Z. Default: the run ends at the "
            "last midnight (UTC).",
        ),
    ] = None,
    openmetrics_nodes: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=0, help="Nodes whose series are written as OpenMetrics. Default: as many as fit into 1 GiB."),
    ] = None,
    openmetrics_step: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="DURATION", help="Time between two samples of these series. Default: --step."),
    ] = None,
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Run a fleet under the virtual clock, with the shipped rules, and write what happened.

    DIR gets report.html, report.json, junit.xml, and openmetrics/ for 'promtool tsdb create-blocks-from openmetrics'.
    Exit status 1 if an expectation is not met.
    """
    with requires("scenario"), requires("plot"):
        from neuron_tools.fleet.run import command

    plan = command.RunPlan(
        file, days, out, step, seed, start, openmetrics_nodes, openmetrics_step, Choice(engine, workers), as_json
    )
    raise typer.Exit(command.run(plan))


@app.command()
def status(as_json: JsonFlag = False) -> None:
    """Show the fleet that runs, and its faults."""
    with requires("scenario"):
        from neuron_tools.fleet import command

    typer.echo(command.status(as_json=as_json))


@app.command()
def fault(
    nodes: Annotated[str, typer.Argument(metavar="NODE", help="A node's name; * and ? match any characters.")],
    kind: Annotated[
        Optional[FaultKind],  # noqa: UP045 - typer reads the annotation at run time
        typer.Argument(metavar="[KIND]", help="Kind of fault; 'neuron-sim fault kinds' lists them."),
    ] = None,
    device: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--device", "-d", help="Neuron Devices: 0, 0-3 or 1,4-5; default: all."),
    ] = None,
    core: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--core", "-c", help="NeuronCores: 0, 0-3 or 1,4-5; default: all."),
    ] = None,
    ratio: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0, max=1, help="Share of executions that fail."),
    ] = None,
    rate: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=1e-9, max=1e9, help="ECC events per second of a core's busy time."),
    ] = None,
    factor: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=1, max=1e6, help="How many times as long the work takes."),
    ] = None,
    share: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0, max=1, help="Share of the DRAM bandwidth that remains."),
    ] = None,
    side: Annotated[Optional[Side], typer.Option(help="Link of the device.")] = None,  # noqa: UP045
    error: Annotated[Optional[ErrorClass], typer.Option(help="Class of the error.")] = None,  # noqa: UP045
    lasting: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--for", metavar="DURATION", help="End after DURATION, such as 5m. Default: until cleared."),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="End the faults of NODE.")] = False,
) -> None:
    """Inject a fault into nodes of the fleet that runs, or clear their faults."""
    with requires("scenario"):
        from neuron_tools.fleet import command

    if clear is (kind is not None):
        raise typer.BadParameter("give KIND or --clear")
    if kind is None:
        typer.echo(command.clear(nodes))
        return
    fields: dict[str, object] = {
        "fault": kind.value, "devices": device, "cores": core, "ratio": ratio, "rate": rate, "factor": factor,
        "share": share, "side": side and side.value, "error": error and error.value, "for": lasting,
    }  # fmt: skip
    typer.echo(command.fault(nodes, fields))


@app.command()
def down() -> None:
    """End the fleet that runs."""
    with requires("scenario"):
        from neuron_tools.fleet import command

    typer.echo(command.down())
