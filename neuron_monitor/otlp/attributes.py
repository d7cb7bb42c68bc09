"""Attribute names of OpenTelemetry's semantic conventions."""

ATTRIBUTES = {"usage_type": "cpu.mode", "error_type": "error.type", "pid": "process.pid"}
"""Labels that have a name in the conventions; other labels keep their names."""
