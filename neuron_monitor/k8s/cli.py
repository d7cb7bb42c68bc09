"""neuron-monitor-k8s-info.py: add the pods that use NeuronCores to the stream of a neuron-monitor."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

from pathlib import Path
from typing import Annotated

import typer

from neuron_console.command import VersionFlag, examples_epilog, new_app, run
from neuron_console.extras import requires

EXAMPLES = """neuron-monitor | neuron-monitor-k8s-info.py --period 15
neuron-monitor | neuron-monitor-k8s-info.py | jq .neuron_k8s_info
neuron-monitor | neuron-monitor-k8s-info.py | neuron-monitor-prometheus.py --port 8000"""

app = new_app("Add the pods that use NeuronCores to the stream of a neuron-monitor, read on standard input.")


@app.command(epilog=examples_epilog(EXAMPLES))
def annotate(
    period: Annotated[float, typer.Option(min=0.1, max=86_400, help="Seconds between requests to the kubelet.")] = 15.0,
    socket: Annotated[Path, typer.Option(help="The kubelet's pod-resources socket.")] = Path(
        "/var/lib/kubelet/pod-resources/kubelet.sock"
    ),
    version: VersionFlag = False,
) -> None:
    """Add the pods that use NeuronCores to the stream of a neuron-monitor, read on standard input.

    Every line gets the kubelet's latest answer as `neuron_k8s_info`. If the kubelet does not answer, its `error` gives
    the reason, and the stream continues.
    """
    with requires("k8s"):
        from runtime_core.telemetry.kubelet.client import Kubelet
    from neuron_monitor.k8s.pipe import follow
    from neuron_monitor.k8s.watch import Watch
    from neuron_monitor.lines import require_stream
    from neuron_monitor.output import StandardOutput
    from neuron_monitor.signals import handled

    require_stream(0)
    kubelet = Kubelet(socket)
    watch = Watch(kubelet.holdings, period)
    try:
        with handled() as signals:
            follow(0, watch, StandardOutput(1), signals)
    finally:
        watch.close(kubelet.close)


def main() -> None:
    """Entry point of the console script."""
    run(app)
