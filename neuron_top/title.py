"""What is watched, in a line."""

from __future__ import annotations

from runtime_core import __version__
from runtime_core.telemetry import Snapshot


def title_text(snapshot: Snapshot | None) -> str:
    """Tool version, instance id and type."""
    if snapshot is None:
        return f"neuron-top {__version__}"
    instance = snapshot.instance
    return f"neuron-top {__version__}  {instance.instance_id}  {instance.instance_type}".rstrip()
