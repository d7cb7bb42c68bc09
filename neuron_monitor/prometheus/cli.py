"""neuron-monitor-prometheus.py: the stream of a neuron-monitor as Prometheus metrics."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import VersionFlag, examples_epilog, new_app, run

EXAMPLES = """neuron-monitor | neuron-monitor-prometheus.py --port 8000
neuron-monitor | neuron-monitor-prometheus.py --web.listen-address :8000
neuron-monitor --prometheus                         # the same and more, in one process"""

app = new_app("Serve the stream of a neuron-monitor, read on standard input, as Prometheus metrics.")


@app.command(epilog=examples_epilog(EXAMPLES))
def serve(
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="Listen on this port.")] = 8000,
    listen_address: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(
            "--web.listen-address", help="Listen here instead of on loopback, HOST:PORT; :PORT is every address."
        ),
    ] = None,
    web_config: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--web.config.file", help="TLS and users, as Prometheus exporters take them."),
    ] = None,
    version: VersionFlag = False,
) -> None:
    """Serve the stream of a neuron-monitor, read on standard input, as Prometheus metrics on /metrics."""
    from neuron_monitor.lines import require_stream
    from neuron_monitor.prometheus.pipe import follow
    from neuron_monitor.prometheus.serve import serving
    from neuron_monitor.signals import handled

    require_stream(0)
    address = listen_address or f"127.0.0.1:{port}"
    with handled() as signals, serving(address, web_config, tell=sys.stderr.isatty()) as page:
        follow(0, page, signals)


def main() -> None:
    """Entry point of the console script."""
    run(app)


if __name__ == "__main__":
    main()
