"""*Neuron node*: everything about one instance, or a few."""

from __future__ import annotations

from dashboards.health import health_section
from dashboards.objectives import JOB
from dashboards.spec import Dashboard, Kind, Panel, Query, Section, Step, Unit, Variable

HERE = f'job="{JOB}", instance=~"$instance"'
TAGGED = f'{HERE}, runtime_tag=~"$tag"'
ON_CORE = f'{TAGGED}, neuroncore=~"$core"'
RATE = "[$__rate_interval]"
GOOD_TO_BAD = (Step(None, "green"), Step(0.001, "orange"), Step(0.01, "red"))
ANY_IS_BAD = (Step(None, "green"), Step(1, "red"))
FILLING = (Step(None, "green"), Step(0.8, "orange"), Step(0.9, "red"))

VARIABLES = (
    Variable("instance", "Instance", "instance", f'instance_info{{job="{JOB}"}}'),
    Variable("tag", "Runtime tag", "runtime_tag", f"neuron_runtime_readable{{{HERE}}}"),
    Variable("core", "NeuronCore", "neuroncore", f"neuroncore_utilization_ratio{{{TAGGED}}}"),
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
              (Query(f"sum(instance:neuroncores_in_use:count{{{HERE}}})"),), "NeuronCores that a runtime owns.", 4),
        Panel("Cores", Kind.NUMBER, Unit.COUNT,
              (Query(f"sum(instance:neuroncores:count{{{HERE}}})"),), "NeuronCores of the instances.", 4),
        Panel("Utilization", Kind.NUMBER, Unit.RATIO,
              (Query(f"avg(neuroncore_utilization_ratio{{{ON_CORE}}})"),), "Mean over cores that are owned.", 4, 1.0),
        Panel("Executions", Kind.NUMBER, Unit.PER_SECOND,
              (Query(f"sum(rate(execution_status_total{{{TAGGED}}}{RATE}))"),), "Of any outcome.", 4),
        Panel("Errors", Kind.NUMBER, Unit.RATIO,
              (Query(f"max(runtime_tag:execution_errors:ratio_rate5m{{{TAGGED}}})"),),
              "Share of executions that failed in 5 minutes, of the worst runtime.", 4, steps=GOOD_TO_BAD),
        Panel("Latency, p99", Kind.NUMBER, Unit.SECONDS,
              (Query(f"max(runtime_tag:neuron_execution_duration_seconds:p99_rate5m{{{TAGGED}}})"),),
              "Over 5 minutes, of the slowest runtime.", 4),
    ),
)  # fmt: skip

CORES = Section(
    "NeuronCores",
    (
        Panel("Utilization, core by core", Kind.ROWS_HEAT, Unit.RATIO,
              (Query(f"max by (instance, neuroncore) (neuroncore_utilization_ratio{{{ON_CORE}}})",
                     "{{instance}} nc{{neuroncore}}"),),
              "A row a core. A core nobody owns has no row.", 16, 1.0),
        Panel("Who owns the cores", Kind.TABLE, Unit.COUNT,
              (Query(f"neuroncore_owner_info{{{ON_CORE}}}"),), "Runtime and process of each owned core.", 8),
        Panel("Utilization", Kind.LINES, Unit.RATIO,
              (Query(f"neuroncore_utilization_ratio{{{ON_CORE}}}", "{{runtime_tag}} nc{{neuroncore}}"),),
              "Share of time in which the core computed.", 12, 1.0),
        Panel("Executions", Kind.STACK, Unit.PER_SECOND,
              (Query(f"sum by (runtime_tag) (rate(execution_status_total{{{TAGGED}}}{RATE}))", "{{runtime_tag}}"),),
              "By runtime, of any outcome.", 12),
    ),
)  # fmt: skip

LATENCY = Section(
    "Latency",
    (
        Panel("Quantiles", Kind.LINES, Unit.SECONDS, (_quantile("0.5"), _quantile("0.9"), _quantile("0.99")),
              "As callers saw it, from the histogram: can be summed up over runtimes of one tag.", 12),
        Panel("Distribution", Kind.BUCKETS_HEAT, Unit.SECONDS,
              (Query(f"sum by (le) (increase(neuron_execution_duration_seconds_bucket{{{TAGGED}}}{RATE}))", "{{le}}"),),
              "Executions by duration.", 12),
        Panel("Percentiles of the last report", Kind.LINES, Unit.SECONDS,
              (Query(f'execution_latency_seconds{{{TAGGED}, percentile=~"p50|p99|p100"}}',
                     "{{runtime_tag}} {{percentile}}"),),
              "The gauge of earlier monitors; it can't be summed up.", 12),
        Panel("Mean", Kind.LINES, Unit.SECONDS,
              (Query(f"sum by (runtime_tag) (rate(neuron_execution_duration_seconds_sum{{{TAGGED}}}{RATE})) / "
                     f"sum by (runtime_tag) (rate(neuron_execution_duration_seconds_count{{{TAGGED}}}{RATE}))",
                     "{{runtime_tag}}"),),
              "Duration of an execution on average.", 12),
    ),
)  # fmt: skip

ERRORS = Section(
    "Errors",
    (
        Panel("Outcomes", Kind.STACK, Unit.PER_SECOND,
              (Query(f"sum by (status_type) (rate(execution_status_total{{{TAGGED}}}{RATE}))", "{{status_type}}"),),
              "How executions ended."),
        Panel("Errors by class", Kind.STACK, Unit.PER_SECOND,
              (Query(f"sum by (error_type) (rate(execution_errors_total{{{TAGGED}}}{RATE}))", "{{error_type}}"),),
              "What the runtimes counted."),
        Panel("Share that fails", Kind.LINES, Unit.RATIO,
              (Query(f"runtime_tag:execution_errors:ratio_rate5m{{{TAGGED}}}", "{{runtime_tag}}"),),
              "Over 5 minutes, without input that was wrong.", steps=GOOD_TO_BAD),
    ),
)  # fmt: skip

MEMORY = Section(
    "Memory",
    (
        Panel("Devices", Kind.BARS, Unit.RATIO,
              (Query(f"neuron_device:memory_used:ratio{{{HERE}}}", "{{instance}} nd{{neuron_device_index}}"),),
              "Used share of each Neuron Device's memory.", 6, 1.0, FILLING),
        Panel("Device memory", Kind.STACK, Unit.BYTES,
              (Query(f"neuron_device_memory_used_bytes{{{HERE}}}", "{{instance}} nd{{neuron_device_index}}"),),
              "Used by all runtimes.", 6),
        Panel("By category", Kind.STACK, Unit.BYTES,
              tuple(Query(f"sum(neuroncore_memory_usage_{category}{{{ON_CORE}}})", category.replace("_", " "))
                    for category in
                    ("constants", "model_code", "model_shared_scratchpad", "runtime_memory", "tensors")),
              "What the device memory of cores is used for.", 6),
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
              "Sent to the neighbour in the East and in the West.", 12),
        Panel("ECC events", Kind.LINES, Unit.COUNT,
              (Query(f"increase(hardware_ecc_events_total{{{HERE}}}{RATE})",
                     "{{instance}} nd{{neuron_device_index}} {{event_type}}"),),
              "Corrected ones are harmless while they are few; after uncorrected ones results may be wrong.", 8),
        Panel("Uncorrected", Kind.NUMBER, Unit.COUNT,
              (Query(f'sum(increase(hardware_ecc_events_total{{{HERE}, event_type=~".*_uncorrected"}}[$__range]))'),),
              "In the time shown.", 4, steps=ANY_IS_BAD),
    ),
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
)  # fmt: skip

MONITOR = Section(
    "Monitor",
    (
        Panel("Age of figures", Kind.LINES, Unit.SECONDS,
              (Query(f"neuron_monitor_report_age_seconds{{{HERE}}}", "{{instance}}"),),
              "Beyond the monitor's period figures are old.", 6),
        Panel("Time for a report", Kind.LINES, Unit.SECONDS,
              (Query(f"rate(neuron_monitor_collection_duration_seconds_sum{{{HERE}}}{RATE}) / "
                     f"rate(neuron_monitor_collection_duration_seconds_count{{{HERE}}}{RATE})", "{{instance}}"),),
              "Looking at the node, and making the page.", 6),
        Panel("Time for a scrape", Kind.LINES, Unit.SECONDS,
              (Query(f"rate(neuron_monitor_scrape_duration_seconds_sum{{{HERE}}}{RATE}) / "
                     f"rate(neuron_monitor_scrape_duration_seconds_count{{{HERE}}}{RATE})", "{{instance}}"),),
              "In the monitor.", 6),
        Panel("Versions", Kind.TABLE, Unit.COUNT,
              (Query(f"neuron_monitor_build_info{{{HERE}}}"),), "Of the monitor.", 6),
    ),
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
        HOST,
        MONITOR,
    ),
)
