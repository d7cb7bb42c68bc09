"""One scrape: ask an endpoint for its metrics, and take from them what neuron-top knows."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import NamedTuple

from neuron_top.remote.client import Client
from neuron_top.remote.endpoint import Endpoint
from runtime_core.telemetry import NodeError

FAMILIES = frozenset({
    "execution_errors_total",
    "execution_latency_seconds",
    "execution_status_total",
    "hardware_ecc_events_total",
    "instance_info",
    "neuron_device_link_transmit_bytes_total",
    "neuron_device_link_up",
    "neuron_device_memory_total_bytes",
    "neuron_device_memory_used_bytes",
    "neuron_hardware_info",
    "neuron_monitor_report_age_seconds",
    "neuron_node_readable",
    "neuron_runtime_memory_used_bytes",
    "neuron_runtime_readable",
    "neuron_runtime_vcpu_usage_ratio",
    "neuroncore_memory_usage_constants",
    "neuroncore_memory_usage_model_code",
    "neuroncore_memory_usage_model_shared_scratchpad",
    "neuroncore_memory_usage_runtime_memory",
    "neuroncore_memory_usage_tensors",
    "neuroncore_owner_info",
    "neuroncore_pod_info",
    "neuroncore_utilization_ratio",
    "system_memory_total_bytes",
    "system_memory_used_bytes",
    "system_swap_total_bytes",
    "system_swap_used_bytes",
    "system_vcpu_count",
    "system_vcpu_usage_ratio",
})  # fmt: skip
"""Samples that are read of one node; the many buckets of histograms are not among them."""

FLEET_FAMILIES = frozenset({
    "execution_errors_total",
    "execution_latency_seconds",
    "execution_status_total",
    "hardware_ecc_events_total",
    "instance_info",
    "neuron_device_memory_total_bytes",
    "neuron_device_memory_used_bytes",
    "neuron_hardware_info",
    "neuron_monitor_report_age_seconds",
    "neuron_node_readable",
    "neuron_runtime_readable",
    "neuroncore_owner_info",
    "neuroncore_utilization_ratio",
})  # fmt: skip
"""What a table of many nodes needs of each."""


class Sample(NamedTuple):
    """One series of one scrape."""

    labels: Mapping[str, str]
    value: float


class Received(NamedTuple):
    """When an answer came: CLOCK_MONOTONIC and Unix time."""

    time_ns: int
    wall_time_ns: int


class Scrape(NamedTuple):
    """What one endpoint answered: samples by name. ``time_ns``: CLOCK_MONOTONIC of the figures, not of the answer."""

    time_ns: int
    wall_time_ns: int
    samples: Mapping[str, tuple[Sample, ...]]


def fetch(endpoint: Endpoint, timeout_seconds: float, client: Client | None = None) -> str:
    """The text of the endpoint's metrics.

    Raises:
        NodeError: nobody answers, or not with metrics.
    """
    response = (client or Client()).get(endpoint, endpoint.path, "text/plain;version=0.0.4", timeout_seconds)
    if response.status != http.client.OK:
        raise NodeError(f"{endpoint} answers {response.status} {response.reason}", mend="is it a neuron-monitor?")
    return response.body.decode("utf-8", "replace")


class SeriesCache:
    """Series that were parsed once, by their text; one for many nodes, for their series differ little."""

    def __init__(self) -> None:
        """Empty."""
        self._known: dict[str, tuple[str, Mapping[str, str]]] = {}

    def find(self, series: str) -> tuple[str, Mapping[str, str]]:
        """Name and labels.

        Raises:
            NodeError: this is no series.
        """
        found = self._known.get(series)
        if found is None:
            if len(self._known) >= _MOST_SERIES:
                self._known.clear()
            found = self._known[series] = _parse_series(series)
        return found


class Reader:
    """Reads the answers of endpoints.

    prometheus_client's parser takes some 50 to 80 us a series, most of it for labels, which hardly change from one
    answer to the next: each series is parsed once, and later found by its text. The labels of the instance, which every
    series carries, are taken off before, so that nodes share what they have in common.
    """

    def __init__(self, families: frozenset[str] = FAMILIES, cache: SeriesCache | None = None) -> None:
        """Read ``families``."""
        self._families = families
        self._starts = frozenset(name[:_START] for name in families)
        self._cache = cache if cache is not None else SeriesCache()

    def read(self, text: str) -> dict[str, tuple[Sample, ...]]:
        """The samples of the families, by name; those without a number are left out.

        Raises:
            NodeError: this is not the text format.
        """
        found: dict[str, list[Sample]] = {}
        instance = _instance_labels(text)
        find, families, starts = self._cache.find, self._families, self._starts
        for line in text.splitlines():
            if line[:_START].partition("{")[0].partition(" ")[0] not in starts:
                continue
            series, value = _split(line)
            name = series.partition("{")[0]
            if name not in families or value is None:
                continue
            if name == _LATENCY and not any(percentile in series for percentile in _PERCENTILES):
                continue
            if name != _INSTANCE:
                series = series.replace(instance, "{", 1)
            name, labels = find(series)
            found.setdefault(name, []).append(Sample(labels, value))
        return {name: tuple(samples) for name, samples in found.items()}


def _instance_labels(text: str) -> str:
    """How the labels of every series begin, up to the comma; of a page without ``instance_info`` nothing is known."""
    at = text.find(f"\n{_INSTANCE}{{")
    end = text.find("}", at)
    return text[at + len(_INSTANCE) + 1 : end] + "," if 0 <= at < end else "{"


_START = 40
_MOST_SERIES = 500_000
_INSTANCE = "instance_info"
_LATENCY = "execution_latency_seconds"
_PERCENTILES = ('"p50"', '"p99"')
_NOT_METRICS = "what it answers are no Prometheus metrics"


def _split(line: str) -> tuple[str, float | None]:
    """A series' text and its value; a timestamp after it means nothing here."""
    head, brace, tail = line.rpartition("}")
    series = head + brace
    if not brace:
        series, _, tail = line.partition(" ")
    words = tail.split()
    if not 1 <= len(words) <= 2:
        raise NodeError(_NOT_METRICS)
    try:
        value = float(words[0])
    except ValueError as error:
        raise NodeError(_NOT_METRICS) from error
    return series, value if value == value and abs(value) != float("inf") else None


def _parse_series(series: str) -> tuple[str, Mapping[str, str]]:
    from prometheus_client.parser import text_string_to_metric_families

    try:
        (family,) = text_string_to_metric_families(f"{series} 0\n")
        (sample,) = family.samples
    except Exception as error:
        # The parser documents no exceptions, and garbage makes it raise many kinds.
        raise NodeError(_NOT_METRICS) from error
    return sample.name, sample.labels


def read_scrape(endpoint: Endpoint, reader: Reader, text: str, received: Received) -> Scrape:
    """Return the content of a response.

    Raises:
        NodeError: these are no metrics of a Neuron node.
    """
    try:
        samples = reader.read(text)
    except NodeError as error:
        raise NodeError(error.what, where=str(endpoint), mend=error.mend) from error
    if "neuron_hardware_info" not in samples:
        raise NodeError(f"{endpoint} tells of no Neuron hardware", mend="is it a neuron-monitor?")
    age = samples.get("neuron_monitor_report_age_seconds", ())
    age_ns = int(max(0.0, age[0].value) * 1e9) if age else 0
    return Scrape(received.time_ns - age_ns, received.wall_time_ns - age_ns, samples)
