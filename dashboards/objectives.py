"""The service level objectives: constants for rules and dashboards."""

from __future__ import annotations

JOB = "neuron-monitor"
"""The scrape job of ``deploy/prometheus/prometheus.yml``."""

LATENCY_OBJECTIVE_SECONDS = 0.1
"""99 % of executions end within this time."""

SUCCESS_OBJECTIVE_RATIO = 0.999
"""Share of executions with correct input that succeed."""

BUDGET_WINDOW = "30d"
"""The error budget is the number of executions that may fail in this time."""

MEMORY_NEARLY_FULL_RATIO = 0.9

REPORT_LAG_SECONDS = 15
"""Three periods of the default configuration."""

REPORT_STALE_SECONDS = 60
"""From this age on, the exporter reports that it is not ready."""
