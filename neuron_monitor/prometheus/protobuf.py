"""Metrics as delimited ``io.prometheus.client.MetricFamily`` messages, the only format with native histograms.

Source: https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto. The messages are few
and flat, and a scrape has thousands of them, so they are encoded here rather than with protobuf's Python objects.
"""

from __future__ import annotations

import functools
import itertools
import struct
from collections.abc import Iterable, Mapping, Sequence

from neuron_monitor.prometheus import table
from neuron_monitor.prometheus.buckets import BOUNDS_NS, NATIVE_SCHEMA, fold, native
from neuron_monitor.prometheus.seen import NodeSeen, identity
from neuron_monitor.prometheus.table import INSTANCE_LABELS, RUNTIME_LABEL, Kind, Metric, T, TagView
from runtime_core.telemetry import Histogram

_TYPES = {Kind.COUNTER: 0, Kind.GAUGE: 1, Kind.SUMMARY: 2, Kind.HISTOGRAM: 4}
_VALUE_FIELDS = {Kind.GAUGE: 2, Kind.COUNTER: 3}
_ZERO_THRESHOLD_SECONDS = 2.0**-128
"""The value of Go's client library; the smallest fine bucket is far above it."""

_BOUNDS_SECONDS = (*(bound / 1e9 for bound in BOUNDS_NS), float("inf"))


def varint(number: int) -> bytes:
    """Encode an unsigned number with seven bits per byte."""
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _nested(field: int, payload: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(payload)) + payload


def _text(field: int, text: str) -> bytes:
    return _nested(field, text.encode("utf-8", "replace"))


def _double(field: int, value: float) -> bytes:
    return varint(field << 3 | 1) + struct.pack("<d", value)


def _unsigned(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def _signed(field: int, value: int) -> bytes:
    return _unsigned(field, zigzag(value))


def zigzag(value: int) -> int:
    """Map a signed number to an unsigned one that is small for values near 0."""
    return value << 1 if value >= 0 else (-value << 1) - 1


def _timestamp(field: int, seconds: float) -> bytes:
    whole = int(seconds)
    return _nested(field, _unsigned(1, whole) + _unsigned(2, int((seconds - whole) * 1e9)))


@functools.lru_cache(8192)
def _label(name: str, value: str) -> bytes:
    return _nested(1, _text(1, name) + _text(2, value))


def _labels(names: Iterable[str], values: Iterable[str]) -> bytes:
    return b"".join(_label(name, value) for name, value in zip(names, values, strict=True))


def family(name: str, kind: Kind, help_text: str, series: Sequence[bytes]) -> bytes:
    """Encode a family, preceded by its length; ``series`` are its encoded ``Metric`` messages."""
    head = _text(1, name) + _text(2, help_text) + _unsigned(3, _TYPES[kind])
    body = head + b"".join(_nested(4, one) for one in series)
    return varint(len(body)) + body


def plain_series(kind: Kind, labels: Mapping[str, str], value: float) -> bytes:
    """Encode a ``Metric`` of a counter or gauge."""
    return _labels(labels.keys(), labels.values()) + _nested(_VALUE_FIELDS[kind], _double(1, value))


def summary_series(total: float, count: int) -> bytes:
    """Encode a ``Metric`` of a summary without labels and quantiles."""
    return _nested(4, _unsigned(1, count) + _double(2, total))


def _spans(indexes: Sequence[int]) -> bytes:
    """Encode runs of consecutive buckets, each with its distance from the previous run."""
    parts = []
    end = 0
    for _, run in itertools.groupby(enumerate(indexes), key=lambda pair: pair[1] - pair[0]):
        members = [index for _, index in run]
        parts.append(_nested(12, _signed(1, members[0] - end) + _unsigned(2, len(members))))
        end = members[-1] + 1
    return b"".join(parts)


def histogram_message(histogram: Histogram, since_seconds: float) -> bytes:
    """Encode a ``Histogram`` with both classic and native buckets."""
    classic = fold(histogram)
    totals = tuple(itertools.accumulate(classic.counts))
    buckets = native(histogram)
    counts = tuple(buckets.values())
    deltas = b"".join(varint(zigzag(now - before)) for before, now in zip((0, *counts), counts, strict=False))
    parts = [
        _unsigned(1, totals[-1]),
        _double(2, classic.sum_ns / 1e9),
        *(
            _nested(3, _unsigned(1, total) + _double(2, bound))
            for total, bound in zip(totals, _BOUNDS_SECONDS, strict=True)
        ),
        _signed(5, NATIVE_SCHEMA),
        _double(6, _ZERO_THRESHOLD_SECONDS),
        _unsigned(7, 0),
        _spans(tuple(buckets)),
        _nested(13, deltas),
        _timestamp(15, since_seconds),
    ]
    return b"".join(parts)


def _series(metric: Metric[T], instance: bytes, subjects: Iterable[tuple[str | None, T, float]]) -> Iterable[bytes]:
    for tag, subject, since_seconds in subjects:
        around = instance if tag is None else instance + _label(RUNTIME_LABEL, tag)
        for labels, value in metric.read(subject):
            if value is None:
                continue
            own = around + _labels(metric.labels, labels)
            if isinstance(value, Histogram):
                yield own + _nested(7, histogram_message(value, since_seconds))
            elif metric.kind is Kind.COUNTER:
                yield own + _nested(3, _double(1, value) + _timestamp(3, since_seconds))
            else:
                yield own + _nested(2, _double(1, value))


def families(node: NodeSeen, tags: Mapping[str, TagView]) -> bytes:
    """Encode all current metrics.

    Args:
        node: the node.
        tags: the runtimes by tag.
    """
    instance = _labels(INSTANCE_LABELS, identity(node.instance))
    of_runtimes = [(tag, view, view.since_seconds) for tag, view in tags.items()]
    of_node = [(None, node, node.since_seconds)]
    parts = [
        *(_family(row, instance, of_runtimes) for row in (*table.INHERITED_RUNTIME, *table.OWN_RUNTIME)),
        *(_family(row, instance, of_node) for row in (*table.INHERITED_NODE, *table.OWN_NODE)),
    ]
    return b"".join(parts)


def _family(metric: Metric[T], instance: bytes, subjects: Iterable[tuple[str | None, T, float]]) -> bytes:
    series = list(_series(metric, instance, subjects))
    return family(metric.name, metric.kind, metric.help, series) if series else b""
