"""``neuron-sim fault``: inject faults into the node, list them, clear them."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from neuron_console.command import JsonFlag, new_app
from runtime_core.driver.faults.table import ErrorClass, FaultKind, Side

app = new_app(
    "Break the node on purpose: running applications meet a fault at their next execution.",
    """neuron-sim fault kinds
neuron-sim fault inject core-hang --core 3 --for 30
neuron-sim fault inject mem-ecc-uncorrected --device 0 --count 1
neuron-sim fault inject slow-core --core 0-3 --factor 2.5
neuron-sim fault inject link-down --device 1 --side east
neuron-sim fault inject execution-error --error model --ratio 0.1 --after 10
neuron-sim fault list
neuron-sim fault clear 2
neuron-sim fault clear""",
)


@app.command()
def inject(
    kind: Annotated[
        FaultKind, typer.Argument(metavar="KIND", help="Kind of fault; 'neuron-sim fault kinds' lists them.")
    ],
    device: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--device", "-d", help="Neuron Devices: 0, 0-3 or 1,4-5; default: all."),
    ] = None,
    core: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--core", "-c", help="NeuronCores by global index: 0, 0-3 or 1,4-5; default: all."),
    ] = None,
    ratio: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of executions that fail."),
    ] = None,
    rate: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=1e-9, max=1e9, help="ECC events per second of a core's busy time."),
    ] = None,
    count: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="End after this many executions (for ECC faults: events)."),
    ] = None,
    factor: Annotated[
        float | None,
        typer.Option(min=1, max=1e6, help="How many times as long the work takes."),
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of the DRAM bandwidth that remains."),
    ] = None,
    side: Annotated[Optional[Side], typer.Option(help="Link of the device.")] = None,  # noqa: UP045
    error: Annotated[Optional[ErrorClass], typer.Option(help="Class of the error.")] = None,  # noqa: UP045
    free_bytes: Annotated[Optional[int], typer.Option(help="Bytes of DRAM that remain free.")] = None,  # noqa: UP045
    driver_version: Annotated[Optional[str], typer.Option(help="Driver version to report.")] = None,  # noqa: UP045
    after: Annotated[float, typer.Option(metavar="SECONDS", min=0, max=1e9, help="Start after SECONDS.")] = 0.0,
    seconds: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--for", metavar="SECONDS", min=1e-6, max=1e9, help="End after SECONDS. Default: until cleared."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Inject a fault."""
    from neuron_tools.sim import fault_commands
    from runtime_core.driver.faults.spec import FaultSpec

    spec = FaultSpec(
        kind,
        fault_commands.parse_targets(device, "--device"),
        fault_commands.parse_targets(core, "--core"),
        ratio,
        rate,
        count,
        factor,
        share,
        free_bytes,
        side,
        error,
        driver_version,
        after,
        seconds,
    )
    typer.echo(fault_commands.inject(spec, as_json=as_json))


@app.command(name="list")
def list_faults(as_json: JsonFlag = False) -> None:
    """List the faults of the node and how often each was hit."""
    from neuron_tools.sim import fault_commands

    typer.echo(fault_commands.describe_faults(as_json=as_json))


@app.command()
def clear(
    fault_id: Annotated[
        Optional[int],  # noqa: UP045
        typer.Argument(metavar="[ID]", help="Fault to clear. Default: all."),
    ] = None,
) -> None:
    """Clear a fault, or all faults."""
    from neuron_tools.sim import fault_commands

    typer.echo(fault_commands.clear(fault_id))


@app.command()
def kinds(as_json: JsonFlag = False) -> None:
    """List the kinds of faults: parameters, returned status, counters and log lines."""
    from neuron_tools.sim import fault_commands

    typer.echo(fault_commands.describe_kinds(as_json=as_json))
