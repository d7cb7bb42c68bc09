"""neuron-monitor-prometheus.py: serve the stream of a neuron-monitor as Prometheus metrics."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import VersionFlag, examples_epilog, new_app, run

EXAMPLES = """neuron-monitor | neuron-monitor-prometheus.py --port 8000
neuron-monitor | neuron-monitor-prometheus.py --address 0.0.0.0 --port 8000
neuron-monitor | neuron-monitor-prometheus.py --cert-file server.pem --key-file server.key
neuron-monitor --prometheus                         # the same and more, in one process"""

app = new_app("Serve the stream of a neuron-monitor, read on standard input, as Prometheus metrics.")


@app.command(epilog=examples_epilog(EXAMPLES))
def serve(
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="Listen on this port.")] = 8000,
    address: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--address", help="Listen on this host name or IP address instead of on loopback."),
    ] = None,
    cert_file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--cert-file", help="Serve over TLS with this certificate (PEM)."),
    ] = None,
    key_file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--key-file", help="Private key of the certificate (PEM)."),
    ] = None,
    listen_address: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--web.listen-address", help="Address and port as HOST:PORT. :PORT is every address."),
    ] = None,
    web_config: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--web.config.file", help="TLS and users, in the format of Prometheus exporters."),
    ] = None,
    version: VersionFlag = False,
) -> None:
    """Serve the stream of a neuron-monitor, read on standard input, as Prometheus metrics on /metrics."""
    from neuron_monitor.lines import require_stream
    from neuron_monitor.prometheus.address import host_and_port
    from neuron_monitor.prometheus.pipe import follow
    from neuron_monitor.prometheus.serve import serving
    from neuron_monitor.signals import handled
    from runtime_core.telemetry import UsageError

    require_stream(0)
    where = listen_address or host_and_port(address or "127.0.0.1", port)
    if address is not None and listen_address is not None:
        raise UsageError("--address and --web.listen-address exclude each other", mend="use one of them")
    if (cert_file is None) != (key_file is None):
        raise UsageError("--cert-file and --key-file require each other", mend="give both")
    if cert_file is not None and web_config is not None:
        raise UsageError("--cert-file and --web.config.file exclude each other", mend="use one of them")
    certificate = (cert_file, key_file) if cert_file is not None and key_file is not None else None
    tell = sys.stderr.isatty()
    with handled() as signals, serving(where, web_config, certificate=certificate, tell=tell) as page:
        follow(0, page, signals)


def main() -> None:
    """Entry point of the console script."""
    run(app)


if __name__ == "__main__":
    main()
