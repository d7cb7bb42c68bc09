"""The alerts. ``docs/how-to/runbooks.md`` describes the reaction to each."""

from __future__ import annotations

from dashboards.objectives import (
    JOB,
    MEMORY_NEARLY_FULL_RATIO,
    REPORT_LAG_SECONDS,
    REPORT_STALE_SECONDS,
    SUCCESS_OBJECTIVE_RATIO,
)
from dashboards.rules import Alert, Severity

_ERROR_BUDGET_RATIO = round(1 - SUCCESS_OBJECTIVE_RATIO, 6)
_FAST_BURN, _SLOW_BURN = 14.4, 6
"""Multiples of the budget: 2 % of a month's budget in an hour, 5 % in six hours (Site Reliability Workbook, ch. 5)."""


def _burning(factor: float, short: str, long: str) -> str:
    """Errors over two windows: the long one shows that they matter, the short one that they continue."""
    over = f"> {factor} * {_ERROR_BUDGET_RATIO}"
    ratio = "runtime_tag:execution_errors:ratio_rate"
    return f"{ratio}{long} {over} and {ratio}{short} {over}"


ALERTS: tuple[Alert, ...] = (
    Alert(
        "NeuronCoreHung",
        Severity.CRITICAL,
        "1m",
        "min_over_time(neuroncore_utilization_ratio[2m]) > 0.99\n"
        "and on (job, instance, runtime_tag)\n"
        '(sum by (job, instance, runtime_tag) (rate(execution_status_total{status_type="timed_out"}[5m])) > 0\n'
        'or sum by (job, instance, runtime_tag) (rate(execution_status_total{status_type="completed"}[5m])) == 0)',
        "NeuronCore {{ $labels.neuroncore }} of {{ $labels.instance }} is stuck",
        "The core is busy without a break, and executions of {{ $labels.runtime_tag }} time out or do not complete.",
    ),
    Alert(
        "NeuronErrorBudgetBurnsFast",
        Severity.CRITICAL,
        "2m",
        _burning(_FAST_BURN, "5m", "1h"),
        "Executions of {{ $labels.runtime_tag }} on {{ $labels.instance }} fail",
        "{{ $value | humanizePercentage }} failed in the last hour; "
        "a month's error budget lasts two days at that rate.",
    ),
    Alert(
        "NeuronErrorBudgetBurnsSlowly",
        Severity.WARNING,
        "15m",
        _burning(_SLOW_BURN, "30m", "6h"),
        "Some executions of {{ $labels.runtime_tag }} on {{ $labels.instance }} fail",
        "{{ $value | humanizePercentage }} failed in the last six hours; "
        "a month's error budget lasts five days at that rate.",
    ),
    Alert(
        "NeuronLatencyOverObjective",
        Severity.WARNING,
        "10m",
        "runtime_tag:neuron_execution_duration_seconds:p99_rate5m > scalar(neuron:latency_objective_seconds)",
        "{{ $labels.runtime_tag }} on {{ $labels.instance }} exceeds the latency objective",
        "One percent of executions take longer than {{ $value | humanizeDuration }}.",
    ),
    Alert(
        "NeuronDeviceMemoryNearlyFull",
        Severity.WARNING,
        "10m",
        f"neuron_device:memory_used:ratio > {MEMORY_NEARLY_FULL_RATIO}",
        "Memory of Neuron Device {{ $labels.neuron_device_index }} of {{ $labels.instance }} is nearly full",
        "{{ $value | humanizePercentage }} of it is used: the next model may not load.",
    ),
    Alert(
        "NeuronEccUncorrected",
        Severity.CRITICAL,
        "0m",
        'increase(hardware_ecc_events_total{event_type=~"(mem|sram)_ecc_uncorrected"}[15m]) > 0',
        "Neuron Device {{ $labels.neuron_device_index }} of {{ $labels.instance }} had uncorrected memory errors",
        "ECC could not correct {{ $labels.event_type }}: results of that time may be wrong.",
    ),
    Alert(
        "NeuronLinkDown",
        Severity.CRITICAL,
        "1m",
        "neuron_device_link_up == 0",
        "The {{ $labels.direction }} link of Neuron Device {{ $labels.neuron_device_index }} of {{ $labels.instance }} "
        "is down",
        "It carries no data: pipelines over this link fail.",
    ),
    Alert(
        "NeuronRuntimeGone",
        Severity.WARNING,
        "5m",
        # A runtime without a tag is named by its pid, and that process is not expected to return.
        'max_over_time(neuron_runtime_readable{runtime_tag!~"[0-9]+"}[1h]) unless neuron_runtime_readable\n'
        "and on (job, instance) neuron_node_readable == 1",
        "{{ $labels.runtime_tag }} on {{ $labels.instance }} has stopped",
        "It ran there within the last hour, and the node's monitor no longer reports it.",
    ),
    Alert(
        "NeuronRuntimeUnreadable",
        Severity.WARNING,
        "5m",
        "neuron_runtime_readable == 0",
        "Figures of {{ $labels.runtime_tag }} on {{ $labels.instance }} cannot be read",
        "The runtime is alive, but its counters cannot be read.",
    ),
    Alert(
        "NeuronMonitorStale",
        Severity.CRITICAL,
        "2m",
        f'up{{job="{JOB}"}} == 0\n'
        f"or neuron_monitor_report_age_seconds > {REPORT_STALE_SECONDS}\n"
        "or on (job, instance) neuron_node_readable == 0",
        "There is no current data from {{ $labels.instance }}",
        "Its monitor does not respond, shows old figures, or cannot read the node.",
    ),
    Alert(
        "NeuronMonitorAbsent",
        Severity.CRITICAL,
        "5m",
        f'absent(up{{job="{JOB}"}})',
        "No Neuron node is monitored",
        f"Prometheus has no target in the job {JOB}.",
    ),
    Alert(
        "NeuronReportLag",
        Severity.WARNING,
        "5m",
        f"neuron_monitor_report_age_seconds > {REPORT_LAG_SECONDS}\n"
        "or rate(neuron_monitor_collection_duration_seconds_sum[5m])\n"
        "/ rate(neuron_monitor_collection_duration_seconds_count[5m]) > 1",
        "Reports of {{ $labels.instance }} are late",
        "The last report is older than three periods, or reading the node takes longer than a second ({{ $value }} s).",
    ),
)
