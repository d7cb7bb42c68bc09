"""What is watched, in a line."""

from __future__ import annotations

from runtime_core import __version__
from runtime_core.telemetry import Snapshot


def instance_text(snapshot: Snapshot) -> str:
    """Instance id and type."""
    return f"{snapshot.instance.instance_id}  {snapshot.instance.instance_type}".rstrip()


def title_text(snapshot: Snapshot | None) -> str:
    """Version of the tool, instance id and type."""
    name = f"neuron-top {__version__}"
    return name if snapshot is None else f"{name}  {instance_text(snapshot)}".rstrip()
