"""neuron-device-plugin: advertise a node's Neuron Devices and NeuronCores to the kubelet."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

import enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import VersionFlag, examples_epilog, new_app, run
from neuron_console.extras import requires
from neuron_tools.kubernetes.names import CORE_RESOURCE, DEVICE_RESOURCE, RESOURCES

EXAMPLES = """neuron-device-plugin
neuron-device-plugin --kubelet-dir /tmp/kubelet --source sim
neuron-device-plugin --resource neuroncore --cdi-dir /var/run/cdi"""
SUMMARY = (
    "Advertise the Neuron Devices (aws.amazon.com/neuron) and NeuronCores (aws.amazon.com/neuroncore) of this node to "
    "the kubelet. Runs until SIGTERM; SIGHUP registers again."
)

app = new_app(SUMMARY)


class Offer(enum.StrEnum):
    """Values of ``--resource``."""

    NEURON = "neuron"
    NEURONCORE = "neuroncore"


_NAMES = {Offer.NEURON: DEVICE_RESOURCE, Offer.NEURONCORE: CORE_RESOURCE}


@app.command(epilog=examples_epilog(EXAMPLES), help=SUMMARY)
def plugin(
    kubelet_dir: Annotated[
        Path, typer.Option(metavar="DIR", help="Directory of kubelet.sock and of the plugin's sockets.")
    ] = Path("/var/lib/kubelet/device-plugins"),
    pod_resources_socket: Annotated[
        Path, typer.Option(metavar="PATH", help="Socket of the kubelet's pod-resources service.")
    ] = Path("/var/lib/kubelet/pod-resources/kubelet.sock"),
    state_dir: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Directory of the files that containers mount, at the same path on the host."),
    ] = Path("/run/neuron-device-plugin"),
    resource: Annotated[
        Optional[list[Offer]],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(help="Advertise only this resource. Default: both, for the same hardware."),
    ] = None,
    cdi_dir: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="DIR", help="Write a CDI specification to this directory and allocate CDI devices."),
    ] = None,
    period: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, max=60, help="Time between two checks of devices and pods.")
    ] = 2.0,
    node_name: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            envvar="NODE_NAME",
            help="Name of this node, to prefer the ids that neuron-scheduler chose for its pods. Default: no cluster.",
        ),
    ] = "",
    server: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="URL", help="API server without authentication. Default: KUBECONFIG, else the pod's account."
        ),
    ] = None,
    source: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--source",
            metavar="SOURCE",
            help="Node to read: sim, or sysfs[:ROOT]. Default: a real node if present, else sim.",
        ),
    ] = None,
    version: VersionFlag = False,
) -> None:
    """Run the plugin."""
    import logging

    with requires("k8s"):
        from neuron_tools.kubernetes.plugin.run import Settings, serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    resources = tuple(_NAMES[offer] for offer in resource) if resource else RESOURCES
    serve(Settings(kubelet_dir, pod_resources_socket, state_dir, cdi_dir, resources, period, source, node_name, server))


def main() -> None:
    """Entry point of the console script."""
    run(app)
