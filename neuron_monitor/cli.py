"""neuron-monitor: a stream of JSON reports on the Neuron Devices, runtimes and the host."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import VersionFlag, examples_epilog, new_app, run

EXAMPLES = """neuron-monitor
neuron-monitor -c monitor.conf | jq '.neuron_runtime_data[].report.neuroncore_counters'
neuron-monitor --once
neuron-monitor --output /var/log/neuron-monitor.ndjson --output-keep 8
neuron-monitor --prometheus --web.listen-address :8000
neuron-monitor --prometheus --web.config.file web.yml         # TLS, client certificates, users
neuron-monitor --textfile /var/lib/prometheus/node-exporter/neuron.prom
neuron-monitor --otlp grpc://collector:4317
neuron-monitor --json-schema"""

app = new_app("Stream one JSON report a line on NeuronCores, runtimes, devices and the host.")


@app.command(epilog=examples_epilog(EXAMPLES))
def monitor(
    config_file: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--config-file", "-c", help="Configuration (JSON); default: every metric group, every 5 s."),
    ] = None,
    verbose: Annotated[int, typer.Option(min=0, max=4, help="How much to tell on stderr.")] = 0,
    source: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="sim, sysfs, sysfs:ROOT or replay:FILE; default: a real node, else the simulated one."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Write one report of every group, after the shortest period, and end.")
    ] = False,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Write the lines to this file, and rotate it, instead of to standard output."),
    ] = None,
    output_max_mib: Annotated[float, typer.Option(min=0.001, help="Rotate the file at this size.")] = 64.0,
    output_keep: Annotated[int, typer.Option(min=0, max=1000, help="How many full files to keep.")] = 4,
    prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Serve Prometheus metrics instead of writing lines.")
    ] = False,
    listen_address: Annotated[
        str, typer.Option("--web.listen-address", help="Where to serve metrics, HOST:PORT.")
    ] = "127.0.0.1:8000",
    web_config: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--web.config.file", help="TLS and users, as Prometheus exporters take them."),
    ] = None,
    textfile: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Write metrics to this file, for node_exporter's textfile collector."),
    ] = None,
    otlp: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Push metrics to this OpenTelemetry collector: grpc://HOST:4317 or http://HOST:4318."),
    ] = None,
    schema: Annotated[bool, typer.Option("--json-schema", help="Print the JSON Schema of a line and end.")] = False,
    version: VersionFlag = False,
) -> None:
    """Stream one JSON report a line on NeuronCores, runtimes, devices and the host.

    With --prometheus, --textfile or --otlp metrics take the place of the lines, unless --output asks for these too.
    SIGHUP reads the configuration file again and reopens the output file.
    """
    if schema:
        from neuron_monitor.schema import json_schema

        typer.echo(json_schema())
        return
    from neuron_monitor.start import Outputs, start

    outputs = Outputs(
        output,
        int(output_max_mib * (1 << 20)),
        output_keep,
        listen_address if prometheus else None,
        web_config,
        textfile,
        otlp,
    )
    start(config_file, source, outputs, once=once, verbose=verbose)


def main() -> None:
    """Entry point of the console script."""
    run(app)
