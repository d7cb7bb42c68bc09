"""Snapshots of a simulated node, read from its datastore."""

from runtime_core.telemetry.simulated.source import SimulatedSource

__all__ = ["SimulatedSource"]
