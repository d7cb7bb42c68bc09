"""Which files there are, and what is in them."""

from __future__ import annotations

from pathlib import Path

from dashboards.alerts import ALERTS
from dashboards.fleet import FLEET
from dashboards.grafana import to_json
from dashboards.node import NODE
from dashboards.recordings import RECORDINGS
from dashboards.rules import alerts_file, operator_file, recordings_file

FOLDER = Path(__file__).parent
KUBERNETES = FOLDER.parent / "deploy" / "kubernetes"
KUBERNETES_NAMESPACE = "neuron-monitor"
DASHBOARDS = (NODE, FLEET)


def contents() -> dict[Path, str]:
    """Each generated file's path and text."""
    made = {FOLDER / "json" / f"{dashboard.uid}.json": to_json(dashboard) for dashboard in DASHBOARDS}
    made[FOLDER / "rules" / "neuron-recordings.yml"] = recordings_file(RECORDINGS)
    made[FOLDER / "rules" / "neuron-alerts.yml"] = alerts_file(ALERTS)
    made[KUBERNETES / "prometheusrule.yaml"] = operator_file(RECORDINGS, ALERTS, KUBERNETES_NAMESPACE)
    return made


def write() -> list[Path]:
    """Write all files; returns their paths.

    Raises:
        OSError: a file cannot be written.
    """
    for path, text in contents().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(contents())
