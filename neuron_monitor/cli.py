"""neuron-monitor: a stream of JSON reports on the Neuron Devices, runtimes and the host."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import TrustNodeFlag, VersionFlag, examples_epilog, new_app, run
from neuron_console.exit_codes import FAILURE

EXAMPLES = """neuron-monitor
neuron-monitor -c monitor.conf | jq '.neuron_runtime_data[].report.neuroncore_counters'
neuron-monitor --once
neuron-monitor --output /var/log/neuron-monitor.ndjson --output-keep 8
neuron-monitor --prometheus --web.listen-address :8000
neuron-monitor --prometheus --web.config.file web.yml         # TLS, client certificates, users
neuron-monitor --textfile /var/lib/prometheus/node-exporter/neuron.prom
neuron-monitor --otlp grpc://collector:4317
neuron-monitor --prometheus --kubernetes                      # with the pods that use the cores
neuron-monitor --compat inf1-2023 | my-agent           # lines as an Inf1 node writes them
neuron-monitor --json-schema"""

app = new_app("Stream reports on NeuronCores, runtimes, devices and the host, one JSON object per line.")


@app.command(epilog=examples_epilog(EXAMPLES))
def monitor(
    config_file: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--config-file", "-c", help="Configuration (JSON); default: every metric group, every 5 s."),
    ] = None,
    strict_config: Annotated[
        bool, typer.Option("--strict-config", help="Reject unknown fields and groups in the configuration.")
    ] = False,
    compat: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="RELEASE", help="Use the line format of a release: inf1-2023, inf2-2.30 or guide."),
    ] = None,
    verbose: Annotated[int, typer.Option(min=0, max=4, help="Amount of detail on stderr.")] = 0,
    source: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Node to read: sim, sysfs, sysfs:ROOT or replay:FILE. Default: a real node if present, else sim."
        ),
    ] = None,
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            help="Write one report of every group after the shortest period (default: 1 s), then exit. "
            "Exit status 1: an output did not receive it.",
        ),
    ] = False,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Write lines to this file instead of standard output, with rotation."),
    ] = None,
    output_max_mib: Annotated[float, typer.Option(min=0.001, max=1e6, help="Rotate the file at this size.")] = 64.0,
    output_keep: Annotated[int, typer.Option(min=0, max=1000, help="Number of full files to keep.")] = 4,
    prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Serve Prometheus metrics instead of writing lines.")
    ] = False,
    listen_address: Annotated[
        str, typer.Option("--web.listen-address", help="Address for metrics, HOST:PORT. :PORT is every address.")
    ] = "127.0.0.1:8000",
    web_config: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--web.config.file", help="TLS and users, in the format of Prometheus exporters."),
    ] = None,
    textfile: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Write metrics to this file, for node_exporter's textfile collector."),
    ] = None,
    otlp: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Push metrics to this OpenTelemetry collector: grpc://HOST:4317 or http://HOST:4318."),
    ] = None,
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help="Add neuroncore_pod_info: the pod that uses each NeuronCore.")
    ] = False,
    pod_resources_socket: Annotated[
        Path, typer.Option(metavar="PATH", help="The kubelet's pod-resources socket, for --kubernetes.")
    ] = Path("/var/lib/kubelet/pod-resources/kubelet.sock"),
    slurm: Annotated[
        bool, typer.Option("--slurm", help="Add neuroncore_job_info: the Slurm job that uses each NeuronCore.")
    ] = False,
    schema: Annotated[bool, typer.Option("--json-schema", help="Print the JSON Schema of a line and exit.")] = False,
    trust_node: TrustNodeFlag = False,
    version: VersionFlag = False,
) -> None:
    """Stream reports on NeuronCores, runtimes, devices and the host, one JSON object per line.

    --prometheus, --textfile and --otlp write metrics instead of lines; add --output for both. SIGHUP reads the
    configuration file again and reopens the output file.
    """
    if schema:
        from neuron_monitor.schema import json_schema

        typer.echo(json_schema())
        return
    from neuron_monitor.compat.releases import compat_named
    from neuron_monitor.config import DEFAULT_PERIOD, ONCE_PERIOD
    from neuron_monitor.start import Outputs, start
    from neuron_monitor.stream import ConfigFile

    try:
        release = None if compat is None else compat_named(compat)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--compat") from None

    outputs = Outputs(
        output,
        int(output_max_mib * (1 << 20)),
        output_keep,
        listen_address if prometheus else None,
        web_config,
        textfile,
        otlp,
        pod_resources_socket if kubernetes else None,
        slurm,
    )
    file = ConfigFile(config_file, strict_config, release, ONCE_PERIOD if once else DEFAULT_PERIOD)
    delivered = start(file, source, outputs, once=once, verbose=verbose)
    if once and not delivered:
        raise typer.Exit(FAILURE)


def main() -> None:
    """Entry point of the console script."""
    run(app)
