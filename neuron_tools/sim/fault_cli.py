"""``neuron-sim fault``: break the node on purpose, look at what is broken, mend it."""

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
        FaultKind, typer.Argument(metavar="KIND", help="What to break; 'neuron-sim fault kinds' lists them.")
    ],
    device: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--device", "-d", help="Neuron Devices: 0, 0-3 or 1,4-5; default: all."),
    ] = None,
    core: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--core", "-c", help="NeuronCores by global index: 0, 0-3 or 1,4-5; default: all."),
    ] = None,
    ratio: Annotated[Optional[float], typer.Option(help="Share of executions it strikes, up to 1.")] = None,  # noqa: UP045
    rate: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="ECC events in a second of a core's busy time."),
    ] = None,
    count: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Strike this often (ECC: so many events), then be gone."),
    ] = None,
    factor: Annotated[Optional[float], typer.Option(help="How many times as long it takes.")] = None,  # noqa: UP045
    share: Annotated[Optional[float], typer.Option(help="Share of the DRAM's bandwidth that is left.")] = None,  # noqa: UP045
    side: Annotated[Optional[Side], typer.Option(help="Which link of the device.")] = None,  # noqa: UP045
    error: Annotated[Optional[ErrorClass], typer.Option(help="Class of the error.")] = None,  # noqa: UP045
    free_bytes: Annotated[Optional[int], typer.Option(help="Bytes of DRAM left to take.")] = None,  # noqa: UP045
    driver_version: Annotated[Optional[str], typer.Option(help="Version of the old driver.")] = None,  # noqa: UP045
    after: Annotated[float, typer.Option(metavar="SECONDS", help="Begin so much later.")] = 0.0,
    seconds: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--for", metavar="SECONDS", help="Last so long; default: until cleared."),
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
    """List the faults of the node and how often they struck."""
    from neuron_tools.sim import fault_commands

    typer.echo(fault_commands.describe_faults(as_json=as_json))


@app.command()
def clear(
    fault_id: Annotated[
        Optional[int],  # noqa: UP045
        typer.Argument(metavar="[ID]", help="Which; default: all."),
    ] = None,
) -> None:
    """Mend a fault, or all."""
    from neuron_tools.sim import fault_commands

    typer.echo(fault_commands.clear(fault_id))


@app.command()
def kinds(as_json: JsonFlag = False) -> None:
    """Explain every kind of fault: parameters, status, what counts it, what is logged."""
    from neuron_tools.sim import fault_commands

    typer.echo(fault_commands.describe_kinds(as_json=as_json))
