"""Every metric as a row: name, type, help, labels, and the source of its value.

Names, types and labels in the first two tables are those that existing dashboards use (``contracts/prometheus.md``).
Additional metrics are in the other tables; their names begin with ``neuron_`` too. Every series has the instance
labels, and every series of a runtime also ``runtime_tag``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from msgspec import UNSET

from neuron_monitor import report as out
from neuron_monitor.prometheus.seen import ECC_EVENTS, Counters, Counts, NodeSeen, RuntimeSeen
from runtime_core.telemetry import Histogram

INSTANCE_LABELS = ("instance_name", "instance_id", "instance_type", "availability_zone", "region", "subnet_id")
RUNTIME_LABEL = "runtime_tag"


class Kind(enum.StrEnum):
    """Metric types, with the names of the exposition formats."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"


class TagView(NamedTuple):
    """All live runtimes of one tag. Its counters never decrease; they began at ``since_seconds``."""

    runtimes: tuple[RuntimeSeen, ...]
    counters: Counters
    since_seconds: float


Value = int | float | Histogram | None
Sample = tuple[tuple[str, ...], Value]
T = TypeVar("T")


class Metric(NamedTuple, Generic[T]):
    """A row. ``read`` returns label values and a value for each series; ``None`` (not available) means no series.

    ``unit`` is a UCUM unit, as in OpenTelemetry.
    """

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...]
    read: Callable[[T], Iterable[Sample]]


def _known(values: Iterable[int | float | None]) -> int | float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _ratio(percents: Iterable[float | None]) -> float | None:
    """Return the sum of percentages as a ratio; in recorded streams some are slightly above 100."""
    percent = _known(percents)
    return None if percent is None else min(1.0, percent / 100)


def _memory(view: TagView) -> Iterator[out.MemoryUsed]:
    for runtime in view.runtimes:
        if runtime.groups.memory_used is not UNSET and not runtime.error:
            yield runtime.groups.memory_used


def _summed(pairs: Iterable[tuple[str, int | float | None]]) -> dict[str, int | float]:
    """Add up values by label: processes of one tag that share a core form one series."""
    sums: dict[str, int | float] = {}
    for core, value in pairs:
        if value is not None:
            sums[core] = sums.get(core, 0) + value
    return sums


def _utilization(view: TagView) -> Iterator[Sample]:
    groups = [r.groups.neuroncore_counters for r in view.runtimes if not r.error]
    percents = (
        (core, counters.neuroncore_utilization)
        for group in groups
        if group is not UNSET
        for core, counters in group.neuroncores_in_use.items()
    )
    for core, percent in _summed(percents).items():
        yield (core,), min(1.0, percent / 100)


def _core_memory(category: str) -> Callable[[TagView], Iterator[Sample]]:
    def read(view: TagView) -> Iterator[Sample]:
        used = (
            (core, getattr(usage, category))
            for memory in _memory(view)
            for core, usage in memory.neuron_runtime_used_bytes.usage_breakdown.neuroncore_memory_usage.items()
        )
        for core, value in _summed(used).items():
            yield (core, "None"), value

    return read


def _memory_used(view: TagView) -> Iterator[Sample]:
    used = [memory.neuron_runtime_used_bytes for memory in _memory(view)]
    yield ("host",), _known(u.host for u in used)
    yield ("neuron_device",), _known(u.neuron_device for u in used)


def _runtime_vcpu(view: TagView) -> Iterator[Sample]:
    groups = [r.groups.neuron_runtime_vcpu_usage for r in view.runtimes if not r.error]
    usages = [group.vcpu_usage for group in groups if group is not UNSET and group.vcpu_usage is not None]
    if usages:
        yield ("user",), _ratio(usage.user for usage in usages)
        yield ("system",), _ratio(usage.system for usage in usages)


def _latency(view: TagView) -> Iterator[Sample]:
    groups = [r.groups.execution_stats for r in view.runtimes if not r.error]
    found = [g.latency_stats.total_latency for g in groups if g is not UNSET]
    for name in out.Percentiles.__struct_fields__:
        values = [value for p in found if p is not None and (value := getattr(p, name)) is not None]
        if values:
            # Percentiles of several processes cannot be merged; the worst one is shown.
            yield (name,), min(values) if name == "p0" else max(values)


def _counted(counts: Counts | None, names: tuple[str, ...]) -> Iterator[Sample]:
    if counts is not None:
        for name, count in zip(names, counts, strict=True):
            yield (name,), count


def _ecc(node: NodeSeen) -> Iterator[Sample]:
    for device, counts in node.ecc.items():
        for event, count in zip(ECC_EVENTS, counts, strict=True):
            yield (event, str(device)), count


def _host_memory(field: str) -> Callable[[NodeSeen], Iterator[Sample]]:
    def read(node: NodeSeen) -> Iterator[Sample]:
        if node.memory is not None:
            yield (), getattr(node.memory, field)

    return read


def _vcpu_count(node: NodeSeen) -> Iterator[Sample]:
    if node.vcpu is not None and node.vcpu.usage_data:
        yield (), len(node.vcpu.usage_data)


def _vcpu(node: NodeSeen) -> Iterator[Sample]:
    if node.vcpu is not None and node.vcpu.average_usage is not None:
        usage = node.vcpu.average_usage
        yield ("user",), _ratio((usage.user, usage.nice))
        yield ("system",), _ratio((usage.system, usage.io_wait, usage.irq, usage.soft_irq))


def _hardware(node: NodeSeen) -> Iterator[Sample]:
    known = node.hardware
    figures = known.neuron_device_count, known.neuron_device_memory_size, known.neuroncore_per_device_count
    if any(figure is not None for figure in figures):
        yield tuple("" if figure is None else str(figure) for figure in figures), 1


def _device_memory(field: str) -> Callable[[NodeSeen], Iterator[Sample]]:
    return lambda node: (((str(d.index),), getattr(d, field)) for d in node.devices)


def _links(node: NodeSeen) -> Iterator[Sample]:
    for device in node.devices:
        if device.east is not None:
            yield (str(device.index), "east"), device.link_east_bytes
        if device.west is not None:
            yield (str(device.index), "west"), device.link_west_bytes


def _link_states(node: NodeSeen) -> Iterator[Sample]:
    """Yield the state of each link, if the source counts the traffic of links; other sources do not know it."""
    for device in node.devices:
        for direction, end, sent_bytes in (
            ("east", device.east, device.link_east_bytes),
            ("west", device.west, device.link_west_bytes),
        ):
            if end is not None and sent_bytes is not None:
                yield (str(device.index), direction), int(end not in device.down_links)


def _device_of(node: NodeSeen, core: int) -> str:
    """Return the device of a core, or "" if the number of cores per device is unknown."""
    per_device = node.hardware.neuroncore_per_device_count
    return str(core // per_device) if per_device else ""


def _owners(node: NodeSeen) -> Iterator[Sample]:
    for core, (tag, pid) in sorted(node.owners.items()):
        yield (str(core), _device_of(node, core), tag, str(pid)), 1


def _pods(node: NodeSeen) -> Iterator[Sample]:
    for core, user in sorted(node.pods.items()):
        for container in user.container_name:
            yield (str(core), _device_of(node, core), user.namespace, user.pod_name, container), 1


def _jobs(node: NodeSeen) -> Iterator[Sample]:
    for core, job in sorted(node.jobs.items()):
        yield (str(core), _device_of(node, core), job), 1


_ERROR_TYPES = ("generic", "numerical", "transient", "model", "runtime", "hardware")
_STATUS_TYPES = tuple(out.ExecutionSummary.__struct_fields__)
_CORE_MEMORY = tuple(out.CoreUsage.__struct_fields__)

INHERITED_RUNTIME: tuple[Metric[TagView], ...] = (
    Metric("neuroncore_utilization_ratio", Kind.GAUGE, "1", "NeuronCore utilization over the period of the last report",
           ("neuroncore",), _utilization),
    *(
        Metric(f"neuroncore_memory_usage_{category}", Kind.GAUGE, "By",
               f"Device memory used on a NeuronCore for {category.replace('_', ' ')}, bytes",
               ("neuroncore", "memory_location"), _core_memory(category))
        for category in _CORE_MEMORY
    ),
    Metric("neuron_runtime_memory_used_bytes", Kind.GAUGE, "By", "Memory used by a runtime",
           ("memory_location",), _memory_used),
    Metric("neuron_runtime_vcpu_usage_ratio", Kind.GAUGE, "1", "CPU time of a runtime as a share of all vCPUs",
           ("usage_type",), _runtime_vcpu),
    Metric("execution_errors_total", Kind.COUNTER, "{error}", "Execution errors by class",
           ("error_type",), lambda view: _counted(view.counters.errors, _ERROR_TYPES)),
    Metric("execution_status_total", Kind.COUNTER, "{execution}", "Executions by outcome",
           ("status_type",), lambda view: _counted(view.counters.executions, _STATUS_TYPES)),
    Metric("execution_latency_seconds", Kind.GAUGE, "s",
           "Execution latency in the period of the last report; the worst of all runtimes with the tag",
           ("percentile",), _latency),
)  # fmt: skip

INHERITED_NODE: tuple[Metric[NodeSeen], ...] = (
    Metric("hardware_ecc_events_total", Kind.COUNTER, "{event}", "ECC events of a Neuron Device",
           ("event_type", "neuron_device_index"), _ecc),
    Metric("system_memory_total_bytes", Kind.GAUGE, "By", "Memory of the host", (), _host_memory("memory_total_bytes")),
    Metric("system_memory_used_bytes", Kind.GAUGE, "By", "Memory used on the host",
           (), _host_memory("memory_used_bytes")),
    Metric("system_swap_total_bytes", Kind.GAUGE, "By", "Swap space of the host", (), _host_memory("swap_total_bytes")),
    Metric("system_swap_used_bytes", Kind.GAUGE, "By", "Swap space used on the host",
           (), _host_memory("swap_used_bytes")),
    Metric("system_vcpu_count", Kind.GAUGE, "{vcpu}", "vCPUs of the host", (), _vcpu_count),
    Metric("system_vcpu_usage_ratio", Kind.GAUGE, "1",
           "Share of the host's vCPU time; user includes nice, system includes iowait and interrupts",
           ("usage_type",), _vcpu),
    Metric("instance_info", Kind.GAUGE, "1", "The instance, in labels", (), lambda _: (((), 1),)),
    Metric("neuron_hardware_info", Kind.GAUGE, "1", "The Neuron hardware, in labels",
           ("neuron_device_count", "neuron_device_memory_size", "neuroncore_per_device_count"), _hardware),
)  # fmt: skip

INHERITED_COMPLAINTS = {
    "system_vcpu_count": 'non-histogram and non-summary metrics should not have "_count" suffix',
}
"""Warnings of ``promtool check metrics`` about inherited names; there are none about our own."""

OWN_RUNTIME: tuple[Metric[TagView], ...] = (
    Metric("neuron_execution_duration_seconds", Kind.HISTOGRAM, "s",
           "Execution latency as measured by callers, since the start of the runtime",
           (), lambda view: (((), view.counters.durations),)),
    Metric("neuron_runtime_readable", Kind.GAUGE, "1", "1 if the figures of every runtime of the tag could be read",
           (), lambda view: (((), 0 if any(r.error for r in view.runtimes) else 1),)),
)  # fmt: skip

OWN_NODE: tuple[Metric[NodeSeen], ...] = (
    Metric("neuron_device_memory_total_bytes", Kind.GAUGE, "By", "Memory of a Neuron Device",
           ("neuron_device_index",), _device_memory("memory_total_bytes")),
    Metric("neuron_device_memory_used_bytes", Kind.GAUGE, "By", "Memory used on a Neuron Device by all runtimes",
           ("neuron_device_index",), _device_memory("memory_used_bytes")),
    Metric("neuron_device_link_transmit_bytes_total", Kind.COUNTER, "By",
           "Bytes sent over a link between Neuron Devices",
           ("neuron_device_index", "direction"), _links),
    Metric("neuron_device_link_up", Kind.GAUGE, "1",
           "1 if a link between Neuron Devices can carry data, 0 if it is down",
           ("neuron_device_index", "direction"), _link_states),
    Metric("neuroncore_owner_info", Kind.GAUGE, "1", "The runtime that owns a NeuronCore, in labels",
           ("neuroncore", "neuron_device_index", RUNTIME_LABEL, "pid"), _owners),
    Metric("neuroncore_pod_info", Kind.GAUGE, "1",
           "The container that uses a NeuronCore, in labels; with --kubernetes or neuron-monitor-k8s-info.py",
           ("neuroncore", "neuron_device_index", "pod_namespace", "pod_name", "container_name"), _pods),
    Metric("neuroncore_job_info", Kind.GAUGE, "1", "The Slurm job that uses a NeuronCore, in labels; with --slurm",
           ("neuroncore", "neuron_device_index", "job"), _jobs),
    Metric("neuron_node_readable", Kind.GAUGE, "1", "1 if the node could be read for the last report",
           (), lambda node: (((), 0 if node.error else 1),)),
)  # fmt: skip
