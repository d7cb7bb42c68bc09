"""The generated files and their contents."""

from __future__ import annotations

from pathlib import Path

from dashboards.alerts import ALERTS
from dashboards.fleet import FLEET
from dashboards.grafana import to_json
from dashboards.node import NODE
from dashboards.recordings import FLEET_RECORDINGS, RECORDINGS
from dashboards.rules import FLEET_GROUP, RECORDINGS_GROUP, alerts_file, operator_file, recordings_file

FOLDER = Path(__file__).parent
KUBERNETES = FOLDER.parent / "deploy" / "kubernetes"
KUBERNETES_NAMESPACE = "neuron-monitor"
DASHBOARDS = (NODE, FLEET)


def contents() -> dict[Path, str]:
    """Return the path and the text of each generated file."""
    made = {FOLDER / "json" / f"{dashboard.uid}.json": to_json(dashboard) for dashboard in DASHBOARDS}
    groups = {RECORDINGS_GROUP: RECORDINGS, FLEET_GROUP: FLEET_RECORDINGS}
    for name, recordings in groups.items():
        made[FOLDER / "rules" / f"{name}.yml"] = recordings_file(name, recordings)
    made[FOLDER / "rules" / "neuron-alerts.yml"] = alerts_file(ALERTS)
    made[KUBERNETES / "prometheusrule.yaml"] = operator_file(groups, ALERTS, KUBERNETES_NAMESPACE)
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
