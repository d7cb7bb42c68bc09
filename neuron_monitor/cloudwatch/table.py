"""Every CloudWatch metric as a row: name, unit, and its values in a report.

The names are those of the Prometheus metrics without ``_total`` and ``_ratio``, because the values differ in form:
CloudWatch sums the counts of each report period, and shows percentages as percentages.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from neuron_monitor import report as out

Dimensions = tuple[tuple[str, str], ...]
"""(name, value) pairs that identify a series of a metric."""

Values = Iterable[tuple[Dimensions, float | None]]


class Unit(enum.StrEnum):
    """Units of CloudWatch."""

    PERCENT = "Percent"
    COUNT = "Count"
    SECONDS = "Seconds"
    BYTES = "Bytes"
    COUNT_PER_SECOND = "Count/Second"


class Metric(NamedTuple):
    """A row of the table; a value of ``None`` (not available) is not sent."""

    name: str
    unit: Unit
    read: Callable[[out.Report], Values]


class Figure(NamedTuple):
    """One value of one series."""

    name: str
    unit: Unit
    dimensions: Dimensions
    value: float


def _tag(runtime: out.RuntimeData) -> tuple[str, str]:
    return "RuntimeTag", runtime.neuron_runtime_tag or ("" if runtime.pid is None else str(runtime.pid))


def _fields(record: msgspec.Struct | UnsetType | None) -> Iterator[tuple[str, float | None]]:
    if record is not None and record is not UNSET:
        yield from ((name, getattr(record, name)) for name in record.__struct_fields__)


def _core(field: str) -> Callable[[out.Report], Values]:
    def read(report: out.Report) -> Values:
        for runtime in report.neuron_runtime_data:
            group = runtime.report.neuroncore_counters
            if group is not UNSET:
                for core, counters in group.neuroncores_in_use.items():
                    yield (("NeuronCore", core), _tag(runtime)), getattr(counters, field)

    return read


def _counts(field: str, dimension: str) -> Callable[[out.Report], Values]:
    def read(report: out.Report) -> Values:
        for runtime in report.neuron_runtime_data:
            group = runtime.report.execution_stats
            if group is not UNSET:
                for name, count in _fields(getattr(group, field)):
                    yield ((dimension, name), _tag(runtime)), count

    return read


def _latency(report: out.Report) -> Values:
    for runtime in report.neuron_runtime_data:
        group = runtime.report.execution_stats
        if group is not UNSET:
            for percentile, seconds in _fields(group.latency_stats.total_latency):
                yield (("Percentile", percentile), _tag(runtime)), seconds


def _memory(report: out.Report) -> Values:
    for runtime in report.neuron_runtime_data:
        group = runtime.report.memory_used
        if group is not UNSET:
            used = group.neuron_runtime_used_bytes
            yield (("MemoryLocation", "host"), _tag(runtime)), used.host
            yield (("MemoryLocation", "neuron_device"), _tag(runtime)), used.neuron_device


def _runtime_vcpu(report: out.Report) -> Values:
    for runtime in report.neuron_runtime_data:
        group = runtime.report.neuron_runtime_vcpu_usage
        if group is not UNSET:
            for kind, percent in _fields(group.vcpu_usage):
                yield (("UsageType", kind), _tag(runtime)), percent


def _ecc(report: out.Report) -> Values:
    group = report.system_data.neuron_hw_counters
    if group is not UNSET:
        for device in group.neuron_devices:
            if device.neuron_device_index is None:
                continue
            index = str(device.neuron_device_index)
            for event, count in _fields(device):
                if event != "neuron_device_index":
                    yield (("EventType", event), ("NeuronDeviceIndex", index)), count


def _host_memory(field: str) -> Callable[[out.Report], Values]:
    def read(report: out.Report) -> Values:
        group = report.system_data.memory_info
        if group is not UNSET:
            yield (), getattr(group, field)

    return read


def _sum(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _vcpu(report: out.Report) -> Values:
    group = report.system_data.vcpu_usage
    if group is not UNSET and group.average_usage is not None:
        usage = group.average_usage
        yield (("UsageType", "user"),), _sum(usage.user, usage.nice)
        yield (("UsageType", "system"),), _sum(usage.system, usage.io_wait, usage.irq, usage.soft_irq)


METRICS: tuple[Metric, ...] = (
    Metric("neuroncore_utilization", Unit.PERCENT, _core("neuroncore_utilization")),
    Metric("neuroncore_flops", Unit.COUNT_PER_SECOND, _core("flops")),
    Metric("execution_errors", Unit.COUNT, _counts("error_summary", "ErrorType")),
    Metric("execution_status", Unit.COUNT, _counts("execution_summary", "StatusType")),
    Metric("execution_latency_seconds", Unit.SECONDS, _latency),
    Metric("neuron_runtime_memory_used_bytes", Unit.BYTES, _memory),
    Metric("neuron_runtime_vcpu_usage", Unit.PERCENT, _runtime_vcpu),
    Metric("hardware_ecc_events", Unit.COUNT, _ecc),
    Metric("system_memory_total_bytes", Unit.BYTES, _host_memory("memory_total_bytes")),
    Metric("system_memory_used_bytes", Unit.BYTES, _host_memory("memory_used_bytes")),
    Metric("system_swap_used_bytes", Unit.BYTES, _host_memory("swap_used_bytes")),
    Metric("system_vcpu_usage", Unit.PERCENT, _vcpu),
)


def figures(report: out.Report) -> Iterator[Figure]:
    """Yield every value in a report, with the instance id as a dimension of each series."""
    instance = ("InstanceId", report.instance_info.instance_id)
    for metric in METRICS:
        for dimensions, value in metric.read(report):
            if value is not None:
                yield Figure(metric.name, metric.unit, (instance, *dimensions), value)
