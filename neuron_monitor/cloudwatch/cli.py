"""neuron-monitor-cloudwatch.py: send the stream of a neuron-monitor to CloudWatch as metrics."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

from typing import Annotated, Optional

import typer

from neuron_console.command import VersionFlag, examples_epilog, new_app, run

EXAMPLES = """neuron-monitor | neuron-monitor-cloudwatch.py --namespace Neuron --region us-east-1
neuron-monitor | neuron-monitor-cloudwatch.py --namespace Neuron --dry-run | jq .
neuron-monitor | neuron-monitor-cloudwatch.py --namespace Neuron --period 300"""

app = new_app("Send the stream of a neuron-monitor, read on standard input, to Amazon CloudWatch.")


@app.command(epilog=examples_epilog(EXAMPLES))
def send(
    namespace: Annotated[str, typer.Option(help="CloudWatch namespace of the metrics.")],
    region: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(help="AWS region. Default: that of the AWS configuration."),
    ] = None,
    period: Annotated[float, typer.Option(min=1.0, max=86_400, help="Seconds between requests.")] = 60.0,
    endpoint_url: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Send to this URL, for example a VPC endpoint."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print each request as JSON and send nothing.")] = False,
    version: VersionFlag = False,
) -> None:
    """Send the stream of a neuron-monitor, read on standard input, to Amazon CloudWatch.

    The values of a period are sent as distributions, so that percentiles work. Failed requests are kept and retried.
    """
    from neuron_monitor.cloudwatch.pipe import follow, print_request
    from neuron_monitor.lines import require_stream
    from neuron_monitor.signals import handled

    require_stream(0)
    with handled() as signals:
        if dry_run:
            put = print_request(namespace, signals)
        else:
            from neuron_monitor.cloudwatch.client import connect, putter

            put = putter(connect(region, endpoint_url), namespace)
        follow(0, put, period, signals)


def main() -> None:
    """Entry point of the console script."""
    run(app)
