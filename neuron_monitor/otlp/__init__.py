"""The same metrics pushed to an OpenTelemetry collector."""
