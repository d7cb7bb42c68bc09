"""The page at ``/`` for browsers: health and identity of the node, and links to the metrics."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from neuron_monitor.prometheus.seen import NodeSeen
from runtime_core import __version__

_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>neuron-monitor</title></head><body>
<h1>neuron-monitor {version}</h1>
<h2>Health</h2>
<ul>{health}</ul>
<h2>Node</h2>
<table>{facts}</table>
<ul><li><a href="/metrics">Metrics</a></li><li><a href="/-/healthy">Healthy</a></li>
<li><a href="/-/ready">Ready</a></li><li><a href="/api/v1/report">Last report</a> (JSON)</li>
<li><a href="/api/v1/summary">Summary</a> (JSON)</li></ul></body></html>
"""


def landing_page(node: NodeSeen | None, age_seconds: float | None) -> bytes:
    """Render the page.

    Args:
        node: state of the node at the latest report; ``None`` before the first.
        age_seconds: age of that report.
    """
    health = "".join(f"<li>{escape(line)}</li>" for line in _health(node))
    facts = "".join(f"<tr><th>{escape(n)}</th><td>{escape(v)}</td></tr>" for n, v in _facts(node, age_seconds) if v)
    # Text from the node may contain bytes that are not valid UTF-8.
    return _PAGE.format(version=escape(__version__), health=health, facts=facts).encode("utf-8", "replace")


def _health(node: NodeSeen | None) -> tuple[str, ...]:
    if node is None:
        return ("unknown: no report yet",)
    if node.error:
        return (f"the node cannot be read: {node.error}",)
    if node.problems is None:
        return ("unknown: a stream of reports does not contain it",)
    return tuple(problem.text for problem in node.problems) or ("no problems",)


def _facts(node: NodeSeen | None, age_seconds: float | None) -> Iterator[tuple[str, str]]:
    yield "Last report", "none yet" if age_seconds is None else f"{age_seconds:.1f} s ago"
    if node is None:
        return
    instance, hardware = node.instance, node.hardware
    yield "Name", instance.instance_name
    yield "Instance", instance.instance_id
    yield "Instance type", instance.instance_type
    yield "Availability zone", instance.instance_availability_zone
    chip = f"{hardware.neuron_device_type} {hardware.neuron_device_version}".strip()
    for name, count, kind in (
        ("Neuron Devices", hardware.neuron_device_count, chip),
        ("NeuronCores per device", hardware.neuroncore_per_device_count, hardware.neuroncore_version),
    ):
        yield name, "" if count is None else f"{count} ({kind})" if kind else str(count)
    yield "Runtimes", str(len(node.runtimes))
