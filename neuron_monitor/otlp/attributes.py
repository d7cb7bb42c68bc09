"""Names of OpenTelemetry's semantic conventions."""

ATTRIBUTES = {"usage_type": "cpu.mode", "error_type": "error.type", "pid": "process.pid"}
"""Labels that the conventions have a name for; others keep their own."""
