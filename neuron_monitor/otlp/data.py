"""Convert the metric table to OpenTelemetry's data model; attributes have the names of its semantic conventions.

Source: https://opentelemetry.io/docs/specs/semconv/ (resource: service, host, cloud; attributes: cpu, error, process).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Histogram as HistogramMetric
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from neuron_monitor import report as out
from neuron_monitor.otlp.attributes import ATTRIBUTES
from neuron_monitor.prometheus import table
from neuron_monitor.prometheus.buckets import BOUNDS_NS, fold
from neuron_monitor.prometheus.seen import NodeSeen
from neuron_monitor.prometheus.table import RUNTIME_LABEL, Kind, T, TagView
from runtime_core import __version__
from runtime_core.telemetry import Histogram

_BOUNDS_SECONDS = tuple(bound / 1e9 for bound in BOUNDS_NS)
_SCOPE = InstrumentationScope("neuron_monitor", __version__)
_UNKNOWN = cast("float", None)
"""Minimum and maximum are not recorded. They are optional in the protocol, but not in the types of the SDK."""

_Subjects = Sequence[tuple[str | None, T, float]]


def resource_of(instance: out.InstanceInfo) -> Resource:
    """Return the instance as a resource; unknown attributes are omitted."""
    known = {
        "service.name": "neuron-monitor",
        "service.version": __version__,
        "cloud.provider": "aws",
        "cloud.platform": "aws_ec2",
        "cloud.region": instance.instance_region,
        "cloud.availability_zone": instance.instance_availability_zone,
        "host.id": instance.instance_id,
        "host.name": instance.instance_name,
        "host.type": instance.instance_type,
        "host.image.id": instance.ami_id,
        "subnet_id": instance.subnet_id,
    }
    return Resource({name: value for name, value in known.items() if value})


def _attributes(names: Sequence[str], values: Sequence[str]) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    for name, value in zip(names, values, strict=True):
        attribute = ATTRIBUTES.get(name, name)
        found[attribute] = int(value) if attribute == "process.pid" else value
    return found


def _metric(row: table.Metric[T], subjects: _Subjects[T], time_ns: int) -> Metric | None:
    numbers: list[NumberDataPoint] = []
    histograms: list[HistogramDataPoint] = []
    for tag, subject, since_seconds in subjects:
        start_ns = 0 if row.kind is Kind.GAUGE else round(since_seconds * 1e9)
        for labels, value in row.read(subject):
            if value is None:
                continue
            attributes = _attributes(row.labels, labels)
            if tag is not None:
                attributes[RUNTIME_LABEL] = tag
            if isinstance(value, Histogram):
                histograms.append(_histogram(attributes, value, start_ns, time_ns))
            else:
                numbers.append(NumberDataPoint(attributes, start_ns, time_ns, value))
    if histograms:
        return Metric(row.name, row.help, row.unit, HistogramMetric(histograms, AggregationTemporality.CUMULATIVE))
    if not numbers:
        return None
    data = Gauge(numbers) if row.kind is Kind.GAUGE else Sum(numbers, AggregationTemporality.CUMULATIVE, True)
    return Metric(row.name, row.help, row.unit, data)


def _histogram(
    attributes: Mapping[str, str | int], value: Histogram, start_ns: int, time_ns: int
) -> HistogramDataPoint:
    counts = fold(value).counts
    return HistogramDataPoint(
        attributes,
        start_ns,
        time_ns,
        sum(counts),
        value.sum_ns / 1e9,
        counts,
        _BOUNDS_SECONDS,
        _UNKNOWN,
        _UNKNOWN,
    )


def metrics_data(node: NodeSeen, tags: Mapping[str, TagView], time_ns: int) -> MetricsData:
    """Return all current metrics.

    Args:
        node: the node.
        tags: the runtimes by tag.
        time_ns: Unix time of the figures, in nanoseconds.
    """
    of_runtimes = [(tag, view, view.since_seconds) for tag, view in tags.items()]
    of_node = [(None, node, node.since_seconds)]
    rows = (
        *(_metric(row, of_runtimes, time_ns) for row in (*table.INHERITED_RUNTIME, *table.OWN_RUNTIME)),
        *(_metric(row, of_node, time_ns) for row in (*table.INHERITED_NODE, *table.OWN_NODE)),
    )
    scope = ScopeMetrics(_SCOPE, [metric for metric in rows if metric is not None], "")
    return MetricsData([ResourceMetrics(resource_of(node.instance), [scope], "")])
