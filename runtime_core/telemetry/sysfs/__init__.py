"""Snapshots of a node from the driver's sysfs tree, either real or mirrored."""

from runtime_core.telemetry.sysfs.source import SysfsSource

__all__ = ["SysfsSource"]
