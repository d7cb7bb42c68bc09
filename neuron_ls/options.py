"""The command line of neuron-ls."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from neuron_console.command import TrustNodeFlag, examples_epilog, new_app, show_version

EXAMPLES = """neuron-ls
neuron-ls --wide --show-all-procs
neuron-ls --topology
neuron-ls --json-output | jq '.[].nc_count'
neuron-ls --watch
neuron-ls --watch 0.5"""

app = new_app(
    "List the Neuron Devices of this instance, their NeuronCores, memory and links, and the processes that use them."
)


@app.command(epilog=examples_epilog(EXAMPLES))
def list_devices(
    wide: Annotated[
        bool,
        typer.Option("--wide", "-w", help="Show longer commands, pods if a kubelet runs, and EAST and WEST on Inf1."),
    ] = False,
    show_all: Annotated[
        bool, typer.Option("--show-all-procs", "-a", help="Include processes that only watch, such as neuron-top.")
    ] = False,
    topology: Annotated[
        bool, typer.Option("--topology", "-t", help="Draw the links between devices below the table.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json-output", "-j", help="Print JSON instead of a table.")] = False,
    watch: Annotated[
        Optional[float],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(metavar="[SECONDS]", min=0.1, max=86_400, help="Repeat every SECONDS (default 2) until Ctrl-C."),
    ] = None,
    source: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Node to read: sim, sysfs, sysfs:ROOT or replay:FILE. Default: a real node if present, else sim."
        ),
    ] = None,
    trust_node: TrustNodeFlag = False,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """List the Neuron Devices of this instance: NeuronCores, memory, links and the processes that use them."""
    from neuron_ls.listing import View, show

    show(View(wide=wide, show_all=show_all, topology=topology, as_json=as_json), source, watch)
