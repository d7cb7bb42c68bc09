"""Snapshots of a node from the driver's sysfs tree, real or mirrored."""

from runtime_core.telemetry.sysfs.source import SysfsSource

__all__ = ["SysfsSource"]
