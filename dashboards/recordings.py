"""Series that dashboards and alerts share."""

from __future__ import annotations

from dashboards.objectives import LATENCY_OBJECTIVE_SECONDS
from dashboards.rules import Recording
from runtime_core.instance import INSTANCE_TYPES

BURN_WINDOWS = ("5m", "30m", "1h", "6h")
"""Windows of the recorded error ratios; see the alerts on the error budget."""

# Incorrect input is an error of the caller and does not count against the budget.
ALL = 'execution_status_total{status_type!="incorrect_input"}'
FAILED = 'execution_status_total{status_type!~"completed|incorrect_input"}'


def _error_ratio(window: str) -> Recording:
    failed, counted = (f"sum without (status_type) (rate({series}[{window}]))" for series in (FAILED, ALL))
    return Recording(f"runtime_tag:execution_errors:ratio_rate{window}", f"{failed} / {counted}")


def _quantile(name: str, quantile: float) -> Recording:
    return Recording(
        f"runtime_tag:neuron_execution_duration_seconds:{name}_rate5m",
        f"histogram_quantile({quantile}, rate(neuron_execution_duration_seconds_bucket[5m]))",
    )


_GROUP = "job, instance_type, availability_zone"
_TAGS = f"{_GROUP}, runtime_tag"

FLEET_RECORDINGS = tuple(
    Recording(f"fleet:{name}", f"{how} by ({labels}) ({expr})")
    for name, how, labels, expr in (
        ("executions:rate5m", "sum", _TAGS, f"rate({ALL}[5m])"),
        ("execution_failures:rate5m", "sum", _TAGS, f"rate({FAILED}[5m])"),
        ("execution_errors:max_ratio_rate5m", "max", _TAGS, "runtime_tag:execution_errors:ratio_rate5m"),
        ("execution_errors:max_ratio_rate1h", "max", _TAGS, "runtime_tag:execution_errors:ratio_rate1h"),
        (
            "neuron_execution_duration_seconds_bucket:rate5m",
            "sum",
            f"{_TAGS}, le",
            "rate(neuron_execution_duration_seconds_bucket[5m])",
        ),
        ("neuroncore_utilization:sum", "sum", _TAGS, "neuroncore_utilization_ratio"),
        ("neuroncore_utilization:count", "count", _TAGS, "neuroncore_utilization_ratio"),
        ("neuroncores_owned:count", "count", _TAGS, "neuroncore_owner_info"),
        (
            "price:usd_per_hour",
            "sum",
            _TAGS,
            f"count by (instance, {_TAGS}) (neuroncore_owner_info) * on (job, instance) group_left () "
            "(instance:price:usd_per_hour / instance:neuroncores:count)",
        ),
        ("instances:count", "count", _GROUP, "instance_info"),
        ("neuroncores:count", "sum", _GROUP, "instance:neuroncores:count"),
        ("neuroncores_in_use:count", "sum", _GROUP, "instance:neuroncores_in_use:count"),
        ("instance_price:usd_per_hour", "sum", _GROUP, "instance:price:usd_per_hour"),
        (
            "idle_price:usd_per_hour",
            "sum",
            _GROUP,
            "instance:price:usd_per_hour * (1 - instance:neuroncores_in_use:count / instance:neuroncores:count)",
        ),
        ("neuron_device_memory_used_bytes:sum", "sum", _GROUP, "neuron_device_memory_used_bytes"),
        ("neuron_device_memory_total_bytes:sum", "sum", _GROUP, "neuron_device_memory_total_bytes"),
    )
)
"""By application, instance type and zone: a panel of a thousand nodes queries an hour of these, not of each core.

They are separate from :data:`RECORDINGS`, which are computed per node.
"""

RECORDINGS: tuple[Recording, ...] = (
    Recording("runtime_tag:executions:rate5m", f"sum without (status_type) (rate({ALL}[5m]))"),
    *map(_error_ratio, BURN_WINDOWS),
    _quantile("p50", 0.5),
    _quantile("p99", 0.99),
    Recording(
        "neuron_device:memory_used:ratio",
        "neuron_device_memory_used_bytes / neuron_device_memory_total_bytes",
    ),
    Recording("neuron:latency_objective_seconds", f"vector({LATENCY_OBJECTIVE_SECONDS})"),
    *(
        Recording("instance_type:neuroncores:count", f"vector({size.core_count})", {"instance_type": name})
        for name, size in INSTANCE_TYPES.items()
    ),
    *(
        Recording("instance_type:price:usd_per_hour", f"vector({size.price_usd_per_hour})", {"instance_type": name})
        for name, size in INSTANCE_TYPES.items()
    ),
    Recording(
        "instance:neuroncores:count",
        "instance_info * on (instance_type) group_left () instance_type:neuroncores:count",
    ),
    # A node without owned cores has 0 cores in use instead of no sample.
    Recording(
        "instance:neuroncores_in_use:count",
        "instance_info * on (job, instance) group_left () "
        "(count by (job, instance) (neuroncore_owner_info) or on (job, instance) instance_info * 0)",
    ),
    Recording(
        "instance:price:usd_per_hour",
        "instance_info * on (instance_type) group_left () instance_type:price:usd_per_hour",
    ),
)
