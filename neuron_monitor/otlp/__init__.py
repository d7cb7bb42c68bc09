"""Push the metrics to an OpenTelemetry collector."""
