"""*Neuron fleet*: all instances by type, zone and runtime tag: capacity, saturation, error budget, cost."""

from __future__ import annotations

from dashboards.goto import TO_NODE, TO_TAG
from dashboards.health import health_section
from dashboards.objectives import BUDGET_WINDOW, JOB, SUCCESS_OBJECTIVE_RATIO
from dashboards.spec import Dashboard, Kind, Panel, Query, Section, Unit, Variable
from dashboards.thresholds import ANSWERING, BUDGET_LEFT, ERROR_BUDGET_RATIO, FAILING, FILLING, LATE

HERE = f'job="{JOB}", instance_type=~"$instance_type", availability_zone=~"$zone"'
TAGGED = f'{HERE}, runtime_tag=~"$tag"'
UTILIZATION = (
    "sum by ({by}) (fleet:neuroncore_utilization:sumSELECTED) "
    "/ sum by ({by}) (fleet:neuroncore_utilization:countSELECTED)"
)

VARIABLES = (
    Variable("instance_type", "Instance type", "instance_type", f'instance_info{{job="{JOB}"}}'),
    Variable("zone", "Availability zone", "availability_zone", f'instance_info{{job="{JOB}"}}'),
    Variable("tag", "Runtime tag", "runtime_tag", f"neuron_runtime_readable{{{HERE}}}"),
)

OWNED = "instance:neuroncores_in_use:count"
CORES = "instance:neuroncores:count"
FLEET_OWNED = "fleet:neuroncores_in_use:count"
FLEET_CORES = "fleet:neuroncores:count"


def _budget_left(window: str, by: str) -> str:
    failed, counted = (
        f"sum by ({by}) (avg_over_time(fleet:{name}:rate5m{{{TAGGED}}}[{window}]))"
        for name in ("execution_failures", "executions")
    )
    return f"1 - ({failed} / {counted}) / {ERROR_BUDGET_RATIO}"


def _by(label: str, legend: str, expr: str) -> Query:
    return Query(expr.format(by=label, here="{" + HERE + "}", tagged="{" + TAGGED + "}"), legend)


NODES = Section(
    "Nodes",
    (
        Panel("Nodes", Kind.TABLE, Unit.COUNT,
              tuple(_by("instance, instance_type, availability_zone", column, f"sum by ({{by}}) ({series})")
                    for column, series in (
                        ("Cores in use", f"{OWNED}{{here}}"),
                        ("Cores", f"{CORES}{{here}}"),
                        ("Executions per second", "runtime_tag:executions:rate5m{here}"),
                    )),
              "Instances that respond. Click a row for the node's own dashboard.", 24, links=TO_NODE),
    ),
)  # fmt: skip

CAPACITY = Section(
    "Capacity",
    (
        Panel("Instances", Kind.STACK, Unit.COUNT,
              (_by("instance_type", "{{instance_type}}", "sum by ({by}) (fleet:instances:count{here})"),),
              "Instances that respond, by type.", 8),
        Panel("NeuronCores", Kind.STACK, Unit.COUNT,
              (_by("instance_type", "{{instance_type}} in use", f"sum by ({{by}}) ({FLEET_OWNED}{{here}})"),
               _by("instance_type", "{{instance_type}} free",
                   f"sum by ({{by}}) ({FLEET_CORES}{{here}}) - sum by ({{by}}) ({FLEET_OWNED}{{here}})")),
              "Cores owned by a runtime, and free cores.", 8),
        Panel("Cores by tag", Kind.STACK, Unit.COUNT,
              (_by("runtime_tag", "{{runtime_tag}}", "sum by ({by}) (fleet:neuroncores_owned:count{tagged})"),),
              "Cores owned by each application.", 8, links=TO_TAG, many=True),
    ),
)  # fmt: skip

SATURATION = Section(
    "Saturation",
    (
        Panel("Cores in use", Kind.BARS, Unit.RATIO,
              (_by("instance_type", "{{instance_type}}",
                   f"sum by ({{by}}) ({FLEET_OWNED}{{here}}) / sum by ({{by}}) ({FLEET_CORES}{{here}})"),),
              "Share of cores that are owned.", 8, 1.0, FILLING),
        Panel("Utilization by type", Kind.LINES, Unit.RATIO,
              (_by("instance_type", "{{instance_type}}", UTILIZATION.replace("SELECTED", "{here}")),),
              "Mean over owned cores.", 8, 1.0),
        Panel("Utilization by tag", Kind.LINES, Unit.RATIO,
              (_by("runtime_tag", "{{runtime_tag}}", UTILIZATION.replace("SELECTED", "{tagged}")),),
              "Mean over the application's cores.", 8, 1.0, links=TO_TAG, many=True),
        Panel("Busiest instances", Kind.BARS, Unit.RATIO,
              (_by("instance", "{{instance}}", "topk(10, avg by ({by}) (neuroncore_utilization_ratio{here}))"),),
              "The ten with the highest utilization of owned cores.", 8, 1.0, links=TO_NODE),
        Panel("Device memory", Kind.LINES, Unit.RATIO,
              (_by("instance_type", "{{instance_type}}",
                   "sum by ({by}) (fleet:neuron_device_memory_used_bytes:sum{here}) "
                   "/ sum by ({by}) (fleet:neuron_device_memory_total_bytes:sum{here})"),),
              "Used share.", 8, 1.0),
        Panel("Fullest devices", Kind.BARS, Unit.RATIO,
              (_by("", "{{instance}} nd{{neuron_device_index}}", "topk(10, neuron_device:memory_used:ratio{here})"),),
              "The ten with the least free memory.", 8, 1.0, FILLING, TO_NODE),
    ),
)  # fmt: skip

SERVICE = Section(
    "Error budget and latency",
    (
        Panel("Budget left", Kind.BARS, Unit.RATIO,
              (Query(_budget_left(BUDGET_WINDOW, "runtime_tag"), "{{runtime_tag}}"),),
              f"Of what may fail in {BUDGET_WINDOW} at {SUCCESS_OBJECTIVE_RATIO:.1%} success; below 0 it is overspent.",
              6, 1.0, BUDGET_LEFT, TO_TAG),
        Panel("Share that fails", Kind.LINES, Unit.RATIO,
              (_by("runtime_tag", "{{runtime_tag}}",
                   "max by ({by}) (fleet:execution_errors:max_ratio_rate1h{tagged})"),),
              "Over an hour, on the worst instance.", 6, steps=FAILING, links=TO_TAG, many=True),
        Panel("Executions", Kind.STACK, Unit.PER_SECOND,
              (_by("runtime_tag", "{{runtime_tag}}", "sum by ({by}) (fleet:executions:rate5m{tagged})"),),
              "Over 5 minutes.", 6, links=TO_TAG, many=True),
        Panel("Latency, p99", Kind.LINES, Unit.SECONDS,
              (_by("runtime_tag", "{{runtime_tag}}",
                   "histogram_quantile(0.99, sum by (le, {by}) "
                   "(fleet:neuron_execution_duration_seconds_bucket:rate5m{tagged}))"),),
              "Over all instances of an application. The line is the objective.", 6,
              steps=LATE, links=TO_TAG, many=True),
    ),
)  # fmt: skip

COST = Section(
    "Cost",
    (
        Panel("Dollars per hour", Kind.STACK, Unit.USD,
              (_by("instance_type", "{{instance_type}}", "sum by ({by}) (fleet:instance_price:usd_per_hour{here})"),),
              "By instance type, at the effective price of reserved instances.", 6),
        Panel("Paid for idle cores", Kind.NUMBER, Unit.USD,
              (_by("", "", "sum(fleet:idle_price:usd_per_hour{here})"),),
              "Dollars per hour for cores without an owner.", 4),
        Panel("By tag", Kind.STACK, Unit.USD,
              (_by("runtime_tag", "{{runtime_tag}}", "sum by ({by}) (fleet:price:usd_per_hour{tagged})"),),
              "Dollars per hour for the cores that an application owns.", 4),
        Panel("A million executions", Kind.LINES, Unit.USD,
              (_by("instance_type", "{{instance_type}}",
                   "sum by ({by}) (fleet:instance_price:usd_per_hour{here}) / 3600 "
                   "/ sum by ({by}) (fleet:executions:rate5m{here}) * 1e6"),),
              "Dollars, idle cores included.", 4),
    ),
)  # fmt: skip

ZONES = Section(
    "By availability zone",
    (
        Panel("Instances by zone", Kind.BARS, Unit.COUNT,
              (_by("availability_zone", "{{availability_zone}}", "sum by ({by}) (fleet:instances:count{here})"),),
              "Instances that respond, by availability zone.", 8),
        Panel("Utilization by zone", Kind.LINES, Unit.RATIO,
              (_by("availability_zone", "{{availability_zone}}", UTILIZATION.replace("SELECTED", "{here}")),),
              "Mean over owned cores.", 8, 1.0),
        Panel("Dollars per hour by zone", Kind.STACK, Unit.USD,
              (_by("availability_zone", "{{availability_zone}}",
                   "sum by ({by}) (fleet:instance_price:usd_per_hour{here})"),),
              "By availability zone.", 8),
    ),
    collapsed=True,
)  # fmt: skip

HEALTH = Section(
    "Monitors",
    (
        Panel("Answering", Kind.NUMBER, Unit.RATIO, (Query(f'avg(up{{job="{JOB}"}})'),),
              "Share of the fleet's monitors.", 6, 1.0, ANSWERING),
        Panel("Oldest figures", Kind.LINES, Unit.SECONDS,
              (Query(f'max by (instance) (neuron_monitor_report_age_seconds{{job="{JOB}"}})', "{{instance}}"),),
              "Age of each monitor's report.", 9, links=TO_NODE, many=True),
        Panel("Versions", Kind.BARS, Unit.COUNT,
              (Query(f'count by (version) (neuron_monitor_build_info{{job="{JOB}"}})', "{{version}}"),),
              "Of the monitors.", 9),
    ),
    collapsed=True,
)  # fmt: skip

FLEET = Dashboard(
    "neuron-fleet",
    "Neuron fleet",
    "Capacity, saturation, error budget and cost of Inf1 instances.",
    VARIABLES,
    (
        health_section('alertname=~"Neuron.+"', f'job="{JOB}"', "fleet:execution_errors:max_ratio_rate5m"),
        NODES,
        CAPACITY,
        SATURATION,
        SERVICE,
        COST,
        ZONES,
        HEALTH,
    ),
)
