"""Metrics about the exporter itself in each format, with ``process_*`` and ``python_*`` of the client library."""

from __future__ import annotations

import platform
from typing import NamedTuple

from neuron_monitor.prometheus import protobuf
from neuron_monitor.prometheus.table import Kind
from neuron_monitor.prometheus.text import Family, Format, escape, page_of
from runtime_core import __version__


class Exporter(NamedTuple):
    """Figures about the exporter itself.

    Attributes:
        report_age_seconds: age of the figures; ``None`` before the first report.
        collection_seconds, collections: total time spent reading the node and rendering, and the number of times.
        scrape_seconds, scrapes: total time spent answering scrapes, and their number.
        bad_lines: lines that were not reports.
        refused_reloads: rejected changes of the web configuration.
        evicted_connections: connections that were closed to make room for others.
        missing_figures, mistyped_figures: values in valid lines that were missing or of another type.
    """

    report_age_seconds: float | None
    collection_seconds: float
    collections: int
    scrape_seconds: float
    scrapes: int
    bad_lines: int
    refused_reloads: int = 0
    evicted_connections: int = 0
    missing_figures: int = 0
    mistyped_figures: int = 0


class Own(NamedTuple):
    """A metric with one series; for a summary (without quantiles), ``value`` is the sum over ``times`` observations."""

    name: str
    kind: Kind
    help: str
    value: float | None
    times: int = 0
    labels: tuple[tuple[str, str], ...] = ()


def own_metrics(figures: Exporter) -> tuple[Own, ...]:
    """Return the exporter's own metrics. They have no instance labels, because they describe this process."""
    build = ("version", __version__), ("pythonversion", platform.python_version())
    return (
        Own("neuron_monitor_build_info", Kind.GAUGE, "Version of the monitor, in labels", 1, labels=build),
        Own("neuron_monitor_report_age_seconds", Kind.GAUGE, "Age of the figures on this page",
            figures.report_age_seconds),
        Own("neuron_monitor_collection_duration_seconds", Kind.SUMMARY,
            "Time spent reading the node and rendering this page", figures.collection_seconds, figures.collections),
        Own("neuron_monitor_scrape_duration_seconds", Kind.SUMMARY, "Time spent answering scrapes",
            figures.scrape_seconds, figures.scrapes),
        Own("neuron_monitor_bad_lines_total", Kind.COUNTER, "Lines of the stream that were not reports",
            figures.bad_lines),
        Own("neuron_monitor_web_config_refused_reloads_total", Kind.COUNTER,
            "Rejected changes of the web configuration: invalid, or lowering protection",
            figures.refused_reloads),
        Own("neuron_monitor_evicted_connections_total", Kind.COUNTER,
            "Connections closed to make room for others", figures.evicted_connections),
        Own("neuron_monitor_missing_figures_total", Kind.COUNTER,
            "Values missing in lines of the stream; their metrics are omitted", figures.missing_figures),
        Own("neuron_monitor_mistyped_figures_total", Kind.COUNTER,
            "Values in the stream with an unexpected type; their metrics are omitted", figures.mistyped_figures),
    )  # fmt: skip


def _family(own: Own) -> Family:
    name = own.name
    if own.value is None:
        return Family(name, own.kind, own.help, ())
    if own.kind is Kind.SUMMARY:
        return Family(name, own.kind, own.help, (f"{name}_sum {own.value}\n", f"{name}_count {own.times}\n"))
    text = ",".join(f'{label}="{escape(value)}"' for label, value in own.labels)
    return Family(name, own.kind, own.help, (f"{name}{{{text}}} {own.value}\n" if text else f"{name} {own.value}\n",))


def _message(own: Own) -> bytes:
    if own.value is None:
        return b""
    if own.kind is Kind.SUMMARY:
        series = protobuf.summary_series(own.value, own.times)
    else:
        series = protobuf.plain_series(own.kind, dict(own.labels), own.value)
    return protobuf.family(own.name, own.kind, own.help, [series])


def own_page(figures: Exporter, form: Format) -> bytes:
    """Return the end of a page in ``form``, including ``# EOF`` in OpenMetrics."""
    metrics = own_metrics(figures)
    if form is Format.PROTOBUF:
        return b"".join(_message(own) for own in metrics) + _client_library_messages()
    from prometheus_client import REGISTRY
    from prometheus_client.exposition import choose_encoder

    encode, _ = choose_encoder(form.content_type)
    return page_of((_family(own) for own in metrics), form).encode() + encode(REGISTRY)


def _client_library_messages() -> bytes:
    from prometheus_client import REGISTRY

    parts = []
    for metric in REGISTRY.collect():
        kind = Kind.COUNTER if metric.type == "counter" else Kind.GAUGE
        name = f"{metric.name}_total" if kind is Kind.COUNTER else metric.name
        samples = [sample for sample in metric.samples if sample.name == name]
        series = [protobuf.plain_series(kind, sample.labels, float(sample.value)) for sample in samples]
        if series:
            parts.append(protobuf.family(name, kind, metric.documentation, series))
    return b"".join(parts)
