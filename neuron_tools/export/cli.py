"""neuron-tools: commands for the suite as a whole."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

import json
from pathlib import Path
from typing import Annotated

import typer

from dashboards.runbooks import RUNBOOKS
from neuron_console.command import JsonFlag, VersionFlag, examples_epilog, new_app, run

app = new_app(
    "Work with the suite as a whole. Each tool has its own command: neuron-sim, neuron-ls, neuron-top, "
    "neuron-monitor and others.",
    """neuron-tools export dashboards /var/lib/grafana/dashboards
neuron-tools export rules /etc/prometheus/rules --runbooks https://wiki.internal/neuron/
neuron-tools export deploy ./neuron-deploy""",
)
export_app = new_app("Write the files that Grafana, Prometheus, systemd and Kubernetes read; no checkout is required.")
app.add_typer(export_app, name="export")

Target = Annotated[Path, typer.Argument(metavar="DIR", help="The directory to write to; created if it is missing.")]
Runbooks = Annotated[
    str, typer.Option(metavar="URL", help="Page for the alerts' runbook links; each link adds #ALERTNAME.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that have different content.")]


@app.callback()
def main_options(version: VersionFlag = False) -> None:
    """Options of neuron-tools itself."""


def _export(kind: str, target: Path, runbooks: str, *, overwrite: bool, as_json: bool) -> None:
    from neuron_tools.export.bundle import write

    paths = [str(path) for path in write(kind, target, runbooks=runbooks, overwrite=overwrite)]
    typer.echo(json.dumps({"files": paths}) if as_json else "\n".join(paths))


@export_app.command(epilog=examples_epilog("neuron-tools export dashboards /var/lib/grafana/dashboards"))
def dashboards(directory: Target, overwrite: Overwrite = False, as_json: JsonFlag = False) -> None:
    """Write the Grafana dashboards as JSON."""
    _export("dashboards", directory, RUNBOOKS, overwrite=overwrite, as_json=as_json)


@export_app.command(
    epilog=examples_epilog("neuron-tools export rules /etc/prometheus/rules --runbooks https://wiki.internal/neuron/")
)
def rules(
    directory: Target, runbooks: Runbooks = RUNBOOKS, overwrite: Overwrite = False, as_json: JsonFlag = False
) -> None:
    """Write the Prometheus recording and alerting rules."""
    _export("rules", directory, runbooks, overwrite=overwrite, as_json=as_json)


@export_app.command(epilog=examples_epilog("neuron-tools export deploy ./neuron-deploy"))
def deploy(
    directory: Target, runbooks: Runbooks = RUNBOOKS, overwrite: Overwrite = False, as_json: JsonFlag = False
) -> None:
    """Write systemd units, Kubernetes manifests, the Prometheus and Grafana configuration, and a compose file."""
    _export("deploy", directory, runbooks, overwrite=overwrite, as_json=as_json)


def main() -> None:
    """Entry point of the console script."""
    run(app)
