"""neuron-problem-detector: report problems of a node's Neuron Devices to the cluster."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import JsonFlag, VersionFlag, examples_epilog, new_app, run
from neuron_console.extras import requires

EXAMPLES = """neuron-problem-detector --node-name $NODE_NAME
neuron-problem-detector --node-name $NODE_NAME --recover --journal
neuron-problem-detector --once --json"""
SUMMARY = (
    "Watch a node's Neuron Devices and write the node condition NeuronHealth and events. With --recover: cordon and "
    "drain an unhealthy node, reset its devices, and uncordon it when it is healthy again."
)

app = new_app(SUMMARY)


@app.command(epilog=examples_epilog(EXAMPLES), help=SUMMARY)
def detect(
    node_name: Annotated[
        str, typer.Option(metavar="NAME", envvar="NODE_NAME", help="Name of this node in the cluster.")
    ] = "",
    server: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(
            metavar="URL", help="API server without authentication. Default: KUBECONFIG, else the pod's account."
        ),
    ] = None,
    cluster: Annotated[bool, typer.Option("--cluster/--no-cluster", help="Report to a cluster.")] = True,
    recover: Annotated[bool, typer.Option("--recover", help="Cordon, drain, reset and uncordon.")] = False,
    log: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="FILE", help="Log file with NEURON_HW_ERR lines, such as that of a simulated node."),
    ] = None,
    journal: Annotated[bool, typer.Option("--journal", help="Read the kernel's messages from the journal.")] = False,
    npd_polarity: Annotated[
        bool,
        typer.Option(
            "--npd-polarity",
            help="Polarity of node-problem-detector: NeuronHealth is True for a problem. Default: True is healthy.",
        ),
    ] = False,
    period: Annotated[float, typer.Option(metavar="SECONDS", min=0.1, max=60, help="Time between two checks.")] = 2.0,
    source: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--source",
            metavar="SOURCE",
            help="Node to read: sim, or sysfs[:ROOT]. Default: a real node if present, else sim.",
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Watch for two seconds and print the verdict. Exit status 1: unhealthy.")
    ] = False,
    json: JsonFlag = False,
    version: VersionFlag = False,
) -> None:
    """Run the detector."""
    import logging

    from neuron_tools.kubernetes.detector.run import Settings, serve

    logging.basicConfig(level=logging.WARNING if once else logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with requires("k8s"):
        status = serve(
            Settings(node_name, server, cluster, log, journal, recover, npd_polarity, period, source, once, json)
        )
    raise typer.Exit(status)


def main() -> None:
    """Entry point of the console script."""
    run(app)
