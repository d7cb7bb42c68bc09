"""*Neuron node*: everything about one instance, or a few."""

from __future__ import annotations

from dashboards.goto import TO_CORE, TO_NODE, TO_POD, TO_TAG_HERE
from dashboards.health import health_section
from dashboards.objectives import JOB
from dashboards.spec import Dashboard, Kind, Panel, Query, Section, Unit, Variable
from dashboards.thresholds import ANY_IS_BAD, FAILING, FILLING, LATE
from neuron_console.palette import BUSY, CALM, FAULT, GOOD, PINK, WARNING

HERE = f'job="{JOB}", instance=~"$instance"'
TAGGED = f'{HERE}, runtime_tag=~"$tag"'
ON_CORE = f'{TAGGED}, neuroncore=~"$core"'
IN_POD = f'{HERE}, neuroncore=~"$core", pod_name=~"$pod"'
PODS_ON_CORES = f"max by (instance, neuroncore, pod_namespace, pod_name) (neuroncore_pod_info{{{IN_POD}}})"
RATE = "[$__rate_interval]"
OUTCOMES = {
    "completed": GOOD,
    "completed_with_num_err": BUSY,
    "completed_with_err": WARNING,
    "incorrect_input": CALM,
    "timed_out": PINK,
    "failed_to_queue": FAULT,
}
"""Colour of each outcome of an execution."""

VARIABLES = (
    Variable("instance", "Instance", "instance", f'instance_info{{job="{JOB}"}}'),
    Variable("tag", "Runtime tag", "runtime_tag", f"neuron_runtime_readable{{{HERE}}}"),
    Variable("core", "NeuronCore", "neuroncore", f"neuroncore_utilization_ratio{{{TAGGED}}}"),
    Variable("pod", "Pod", "pod_name", f"neuroncore_pod_info{{{HERE}}}", optional=True),
)


def _quantile(quantile: str) -> Query:
    rate = f"rate(neuron_execution_duration_seconds_bucket{{{TAGGED}}}{RATE})"
    return Query(
        f"histogram_quantile({quantile}, sum by (le, runtime_tag) ({rate}))", f"{{{{runtime_tag}}}} q={quantile}"
    )


OVERVIEW = Section(
    "Overview",
    (
        Panel("Cores in use", Kind.NUMBER, Unit.COUNT,
              (Query(f"sum(instance:neuroncores_in_use:count{{{HERE}}})"),), "NeuronCores that a runtime owns.", 5),
        Panel("Cores", Kind.NUMBER, Unit.COUNT,
              (Query(f"sum(instance:neuroncores:count{{{HERE}}})"),), "NeuronCores of the instances.", 5),
        Panel("Utilization", Kind.NUMBER, Unit.RATIO,
              (Query(f"avg(neuroncore_utilization_ratio{{{ON_CORE}}})"),), "Mean over owned cores.", 5, 1.0),
        Panel("Executions", Kind.NUMBER, Unit.PER_SECOND,
              (Query(f"sum(rate(execution_status_total{{{TAGGED}}}{RATE}))"),), "Executions with any outcome.", 5),
        Panel("Latency, p99", Kind.NUMBER, Unit.SECONDS,
              (Query(f"max(runtime_tag:neuron_execution_duration_seconds:p99_rate5m{{{TAGGED}}})"),),
              "Over 5 minutes, of the slowest runtime.", 4, steps=LATE),
    ),
)  # fmt: skip

CORES = Section(
    "NeuronCores",
    (
        Panel("Utilization, core by core", Kind.ROWS_HEAT, Unit.RATIO,
              (Query(f"max by (instance, neuroncore) (neuroncore_utilization_ratio{{{ON_CORE}}})",
                     "{{instance}} nc{{neuroncore}}"),),
              "One row per core. A core without an owner has no row.", 16, 1.0, links=TO_CORE),
        Panel("Who owns the cores", Kind.TABLE, Unit.COUNT,
              (Query(f"neuroncore_owner_info{{{ON_CORE}}}"),),
              "Runtime and process of each owned core.", 8, links=TO_CORE + TO_TAG_HERE),
        Panel("Busiest cores", Kind.LINES, Unit.RATIO,
              (Query(f"neuroncore_utilization_ratio{{{ON_CORE}}}", "{{runtime_tag}} nc{{neuroncore}}"),),
              "Share of time in which the core was busy.", 12, 1.0, links=TO_CORE + TO_TAG_HERE, many=True),
        Panel("Executions", Kind.STACK, Unit.PER_SECOND,
              (Query(f"sum by (instance, runtime_tag) (rate(execution_status_total{{{TAGGED}}}{RATE}))",
                     "{{runtime_tag}}"),),
              "Executions with any outcome, by runtime.", 12, links=TO_TAG_HERE),
    ),
)  # fmt: skip

LATENCY = Section(
    "Latency",
    (
        Panel("Quantiles", Kind.LINES, Unit.SECONDS, (_quantile("0.5"), _quantile("0.9"), _quantile("0.99")),
              "Latency measured by callers, added over the runtimes of a tag. The line is the objective.",
              12, steps=LATE),
        Panel("Distribution", Kind.BUCKETS_HEAT, Unit.SECONDS,
              (Query(f"sum by (le) (increase(neuron_execution_duration_seconds_bucket{{{TAGGED}}}{RATE}))", "{{le}}"),),
              "Executions by duration.", 12),
    ),
)  # fmt: skip

MORE_LATENCY = Section(
    "More on latency",
    (
        Panel("Percentiles of the last report", Kind.LINES, Unit.SECONDS,
              (Query(f'execution_latency_seconds{{{TAGGED}, percentile=~"p50|p99|p100"}}',
                     "{{runtime_tag}} {{percentile}}"),),
              "The gauge of earlier monitors, which cannot be added over runtimes.", 12),
        Panel("Mean", Kind.LINES, Unit.SECONDS,
              (Query(f"sum by (runtime_tag) (rate(neuron_execution_duration_seconds_sum{{{TAGGED}}}{RATE})) / "
                     f"sum by (runtime_tag) (rate(neuron_execution_duration_seconds_count{{{TAGGED}}}{RATE}))",
                     "{{runtime_tag}}"),),
              "Mean duration of an execution.", 12),
    ),
    collapsed=True,
)  # fmt: skip

ERRORS = Section(
    "Errors",
    (
        Panel("Outcomes", Kind.STACK, Unit.PER_SECOND,
              (Query(f"sum by (status_type) (rate(execution_status_total{{{TAGGED}}}{RATE}))", "{{status_type}}"),),
              "Executions by outcome.", colours=OUTCOMES),
        Panel("Errors by class", Kind.STACK, Unit.PER_SECOND,
              (Query(f"sum by (error_type) (rate(execution_errors_total{{{TAGGED}}}{RATE}))", "{{error_type}}"),),
              "Errors that the runtimes counted."),
        Panel("Share that fails", Kind.LINES, Unit.RATIO,
              (Query(f"runtime_tag:execution_errors:ratio_rate5m{{{TAGGED}}}", "{{runtime_tag}}"),),
              "Over 5 minutes, without incorrect input. The lines are the objective and the fast burn.",
              steps=FAILING, links=TO_TAG_HERE),
    ),
)  # fmt: skip

MEMORY = Section(
    "Memory",
    (
        Panel("Devices", Kind.BARS, Unit.RATIO,
              (Query(f"neuron_device:memory_used:ratio{{{HERE}}}", "{{instance}} nd{{neuron_device_index}}"),),
              "Used share of each Neuron Device's memory.", 6, 1.0, FILLING, TO_NODE),
        Panel("Device memory", Kind.STACK, Unit.BYTES,
              (Query(f"neuron_device_memory_used_bytes{{{HERE}}}", "{{instance}} nd{{neuron_device_index}}"),),
              "Used by all runtimes.", 6, many=True),
        Panel("By category", Kind.STACK, Unit.BYTES,
              tuple(Query(f"sum(neuroncore_memory_usage_{category}{{{ON_CORE}}})", category.replace("_", " "))
                    for category in
                    ("constants", "model_code", "model_shared_scratchpad", "runtime_memory", "tensors")),
              "Device memory of cores by use.", 6),
        Panel("Runtimes", Kind.LINES, Unit.BYTES,
              (Query(f"neuron_runtime_memory_used_bytes{{{TAGGED}}}", "{{runtime_tag}} {{memory_location}}"),),
              "On the host and on devices.", 6),
    ),
)  # fmt: skip

HARDWARE = Section(
    "Links and ECC",
    (
        Panel("Link traffic", Kind.LINES, Unit.BYTES_PER_SECOND,
              (Query(f"rate(neuron_device_link_transmit_bytes_total{{{HERE}}}{RATE})",
                     "{{instance}} nd{{neuron_device_index}} {{direction}}"),),
              "Sent to the neighbours to the east and to the west.", 9, many=True),
        Panel("Links down", Kind.NUMBER, Unit.COUNT,
              (Query(f"count(neuron_device_link_up{{{HERE}}} == 0) or vector(0)"),),
              "Link ends that are down now; each link has two ends.", 3, steps=ANY_IS_BAD),
        Panel("ECC events", Kind.LINES, Unit.COUNT,
              (Query(f"increase(hardware_ecc_events_total{{{HERE}}}{RATE})",
                     "{{instance}} nd{{neuron_device_index}} {{event_type}}"),),
              "A few corrected events are harmless. After an uncorrected event, results may be wrong.",
              8, many=True),
        Panel("Uncorrected", Kind.NUMBER, Unit.COUNT,
              (Query(f'sum(increase(hardware_ecc_events_total{{{HERE}, event_type=~".*_uncorrected"}}[$__range]))'),),
              "In the time shown.", 4, steps=ANY_IS_BAD),
    ),
)  # fmt: skip

PODS = Section(
    "Pods",
    (
        Panel("Utilization by pod", Kind.LINES, Unit.RATIO,
              (Query(f"avg by (instance, pod_namespace, pod_name) ({PODS_ON_CORES} * on (instance, neuroncore) "
                     f"group_left () max by (instance, neuroncore) (neuroncore_utilization_ratio{{{HERE}}}))",
                     "{{pod_namespace}}/{{pod_name}}"),),
              "Mean over the pod's cores. Requires neuron-monitor --kubernetes.", 12, 1.0, many=True),
        Panel("Pods", Kind.TABLE, Unit.COUNT,
              (Query("max by (instance, neuroncore, pod_namespace, pod_name, container_name) "
                     f"(neuroncore_pod_info{{{IN_POD}}})"),),
              "Containers that use a NeuronCore. Requires neuron-monitor --kubernetes.", 12, links=TO_POD),
    ),
    collapsed=True,
    optional=True,
)  # fmt: skip

HOST = Section(
    "Host",
    (
        Panel("vCPUs", Kind.STACK, Unit.RATIO,
              (Query(f"system_vcpu_usage_ratio{{{HERE}}}", "{{instance}} {{usage_type}}"),),
              "Of all vCPUs; user with nice, system with iowait and interrupts.", 8, 1.0),
        Panel("Memory", Kind.LINES, Unit.BYTES,
              (Query(f"system_memory_used_bytes{{{HERE}}}", "{{instance}} used"),
               Query(f"system_memory_total_bytes{{{HERE}}}", "{{instance}} total")),
              "Of the host."),
        Panel("vCPUs of runtimes", Kind.LINES, Unit.RATIO,
              (Query(f"sum by (runtime_tag) (neuron_runtime_vcpu_usage_ratio{{{TAGGED}}})", "{{runtime_tag}}"),),
              "Share of all vCPUs."),
    ),
    collapsed=True,
)  # fmt: skip

MONITOR = Section(
    "Monitor",
    (
        Panel("Age of figures", Kind.LINES, Unit.SECONDS,
              (Query(f"neuron_monitor_report_age_seconds{{{HERE}}}", "{{instance}}"),),
              "Figures older than the monitor's period are out of date.", 6),
        Panel("Time for a report", Kind.LINES, Unit.SECONDS,
              (Query(f"rate(neuron_monitor_collection_duration_seconds_sum{{{HERE}}}{RATE}) / "
                     f"rate(neuron_monitor_collection_duration_seconds_count{{{HERE}}}{RATE})", "{{instance}}"),),
              "Reading the node and rendering the page.", 6),
        Panel("Time for a scrape", Kind.LINES, Unit.SECONDS,
              (Query(f"rate(neuron_monitor_scrape_duration_seconds_sum{{{HERE}}}{RATE}) / "
                     f"rate(neuron_monitor_scrape_duration_seconds_count{{{HERE}}}{RATE})", "{{instance}}"),),
              "In the monitor.", 6),
        Panel("Versions", Kind.TABLE, Unit.COUNT,
              (Query(f"neuron_monitor_build_info{{{HERE}}}"),), "Of the monitor.", 6),
    ),
    collapsed=True,
)  # fmt: skip

NODE = Dashboard(
    "neuron-node",
    "Neuron node",
    "Cores, latency, errors, memory, links, ECC and the host of an Inf1 instance.",
    VARIABLES,
    (
        health_section('instance=~"$instance"', TAGGED),
        OVERVIEW,
        CORES,
        LATENCY,
        ERRORS,
        MEMORY,
        HARDWARE,
        PODS,
        MORE_LATENCY,
        HOST,
        MONITOR,
    ),
)
