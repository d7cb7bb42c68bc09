"""neuron-scheduler: the scheduler extension that keeps the devices and cores of a pod contiguous."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

from typing import Annotated, Optional

import typer

from neuron_console.command import VersionFlag, examples_epilog, new_app, run
from neuron_console.extras import requires

EXAMPLES = """neuron-scheduler --listen 0.0.0.0:12345
neuron-scheduler --server http://127.0.0.1:8001"""
SUMMARY = (
    "Answer kube-scheduler's extender calls (POST /filter, POST /bind): a pod gets contiguous Neuron Devices or "
    "NeuronCores. Usage is rebuilt from the pods' annotations at every start."
)

app = new_app(SUMMARY)


@app.command(epilog=examples_epilog(EXAMPLES), help=SUMMARY)
def scheduler(
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Address to listen on.", envvar="NEURON_SCHEDULER_LISTEN")
    ] = "127.0.0.1:12345",
    server: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(
            metavar="URL", help="API server without authentication. Default: KUBECONFIG, else the pod's account."
        ),
    ] = None,
    version: VersionFlag = False,
) -> None:
    """Run the extension."""
    import logging

    with requires("k8s"):
        from neuron_tools.kubernetes.scheduler.run import serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    serve(listen, server)


def main() -> None:
    """Entry point of the console script."""
    run(app)
