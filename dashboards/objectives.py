"""What service is promised: the constants behind rules and dashboards."""

from __future__ import annotations

JOB = "neuron-monitor"
"""The scrape job of ``deploy/prometheus/prometheus.yml``."""

LATENCY_OBJECTIVE_SECONDS = 0.1
"""99 of 100 executions end within it."""

SUCCESS_OBJECTIVE_RATIO = 0.999
"""Share of executions that succeed, of those whose input was right."""

BUDGET_WINDOW = "30d"
"""The error budget is what may fail within it."""

MEMORY_NEARLY_FULL_RATIO = 0.9

REPORT_LAG_SECONDS = 15
"""Three periods of the default configuration."""

REPORT_STALE_SECONDS = 60
"""From this age on the exporter itself says that it is not ready."""
