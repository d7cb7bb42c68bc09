"""Render metrics as text: the Prometheus format 0.0.4 and OpenMetrics 1.0."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from neuron_monitor.prometheus.buckets import LE_LABELS, fold
from neuron_monitor.prometheus.seen import NodeSeen, identity
from neuron_monitor.prometheus.table import (
    INHERITED_NODE,
    INHERITED_RUNTIME,
    INSTANCE_LABELS,
    OWN_NODE,
    OWN_RUNTIME,
    RUNTIME_LABEL,
    Kind,
    Metric,
    T,
    TagView,
)
from runtime_core.telemetry import Histogram


class Format(enum.Enum):
    """A format of the page: media type, and the parameters that distinguish it from other formats of that type."""

    TEXT = ("text/plain", {"version": "0.0.4"})
    OPENMETRICS = ("application/openmetrics-text", {"version": "1.0.0"})
    PROTOBUF = (
        "application/vnd.google.protobuf",
        {"proto": "io.prometheus.client.MetricFamily", "encoding": "delimited"},
    )

    @property
    def media_type(self) -> str:
        """The media type, without parameters."""
        return self.value[0]

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters, in lower case for comparison."""
        return {name: value.lower() for name, value in self.value[1].items()}

    @property
    def content_type(self) -> str:
        """The value of the Content-Type header."""
        parameters = [f"{name}={value}" for name, value in self.value[1].items()]
        return "; ".join([self.value[0], *parameters, *([] if self is Format.PROTOBUF else ["charset=utf-8"])])


class Family(NamedTuple):
    """The lines of a metric; for a histogram, those of one series are consecutive.

    ``created``, if not empty, has the start time of each of ``samples``; each format writes them at its own place.
    """

    name: str
    kind: Kind
    help: str
    samples: Sequence[str]
    created: Sequence[str] = ()


def escape(value: str) -> str:
    """Escape a label value."""
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return value


def _header(name: str, kind: Kind, help_text: str) -> str:
    escaped = help_text.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {escaped}\n# TYPE {name} {kind}\n"


def page_of(families: Iterable[Family], form: Format) -> str:
    """Return the text of a page or of a part of it, without the final ``# EOF`` of OpenMetrics."""
    return _openmetrics(families) if form is Format.OPENMETRICS else _text(families)


def _text(families: Iterable[Family]) -> str:
    parts = []
    for family in families:
        if family.samples:
            parts.append(_header(family.name, family.kind, family.help))
            parts.extend(family.samples)
        if family.created:
            parts.append(_header(f"{_base(family)}_created", Kind.GAUGE, family.help))
            parts.extend(family.created)
    return "".join(parts)


def _openmetrics(families: Iterable[Family]) -> str:
    parts = []
    for family in families:
        if family.samples:
            parts.append(_header(_base(family), family.kind, family.help))
            if family.created:
                # A series and its start time are adjacent.
                parts.extend(line for pair in zip(family.samples, family.created, strict=True) for line in pair)
            else:
                parts.extend(family.samples)
    return "".join(parts)


def _base(family: Family) -> str:
    return family.name.removesuffix("_total") if family.kind is Kind.COUNTER else family.name


class _Series(NamedTuple):
    """The constant part of a series' lines, without values. ``starts`` has one item, or one per line of a histogram."""

    since_seconds: float
    starts: tuple[str, ...]
    created: str


_MadeSeries = dict[tuple[str, ...], _Series]


class Renderer:
    """Renders lines; the constant part of a series is rendered once, and dropped when its tag disappears."""

    def __init__(self) -> None:
        self._instance = ""
        self._made: dict[str | None, dict[str, _MadeSeries]] = {}

    def families(self, node: NodeSeen, tags: Mapping[str, TagView]) -> list[Family]:
        """Return the lines of all current metrics.

        Args:
            node: the node.
            tags: the runtimes by tag.
        """
        instance = _labels(INSTANCE_LABELS, identity(node.instance))
        before = self._made if instance == self._instance else {}
        self._instance = instance
        self._made = {tag: before.get(tag, {}) for tag in (None, *tags)}
        of_runtimes = [(tag, view, view.since_seconds) for tag, view in tags.items()]
        of_node = [(None, node, node.since_seconds)]
        return [
            *(self._family(metric, of_runtimes) for metric in INHERITED_RUNTIME),
            *(self._family(metric, of_node) for metric in INHERITED_NODE),
            *(self._family(metric, of_runtimes) for metric in OWN_RUNTIME),
            *(self._family(metric, of_node) for metric in OWN_NODE),
        ]

    def _family(self, metric: Metric[T], subjects: Sequence[tuple[str | None, T, float]]) -> Family:
        samples: list[str] = []
        created: list[str] = []
        counts = metric.kind is not Kind.GAUGE
        for tag, subject, since in subjects:
            made = self._made[tag]
            before = made.get(metric.name, {})
            # Label values such as pids change, so only the current ones are kept.
            now = made[metric.name] = {}
            for labels, value in metric.read(subject):
                if value is None:
                    continue
                series = before.get(labels)
                if series is None or series.since_seconds != since:
                    series = self._series(metric, tag, labels, since)
                now[labels] = series
                if isinstance(value, Histogram):
                    samples.append(_histogram(series.starts, value))
                else:
                    samples.append(f"{series.starts[0]}{value}\n")
                if counts:
                    created.append(series.created)
        return Family(metric.name, metric.kind, metric.help, samples, created)

    def _series(self, metric: Metric[T], tag: str | None, labels: tuple[str, ...], since: float) -> _Series:
        own = (
            _labels(metric.labels, labels) if tag is None else _labels((*metric.labels, RUNTIME_LABEL), (*labels, tag))
        )
        text = ",".join(part for part in (self._instance, own) if part)
        name = metric.name
        starts: tuple[str, ...] = (f"{name}{{{text}}} ",)
        if metric.kind is Kind.HISTOGRAM:
            buckets = (f'{name}_bucket{{{text},le="{bound}"}} ' for bound in LE_LABELS)
            starts = (*buckets, f"{name}_sum{{{text}}} ", f"{name}_count{{{text}}} ")
        return _Series(since, starts, f"{name.removesuffix('_total')}_created{{{text}}} {since}\n")


def _histogram(starts: Sequence[str], value: Histogram) -> str:
    """Return the lines of a histogram; ``starts``: the beginnings of the lines of buckets, sum and count."""
    totals = tuple(itertools.accumulate(fold(value).counts))
    values = (*totals, value.sum_ns / 1e9, totals[-1])
    return "".join([f"{start}{shown}\n" for start, shown in zip(starts, values, strict=True)])


def _labels(names: Iterable[str], values: Iterable[str]) -> str:
    return ",".join(f'{name}="{escape(value)}"' for name, value in zip(names, values, strict=True))
