"""Metrics as text: the Prometheus format 0.0.4 and OpenMetrics 1.0."""

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
    """What a page can be: media type, and the parameters that tell it from others of the same type."""

    TEXT = ("text/plain", {"version": "0.0.4"})
    OPENMETRICS = ("application/openmetrics-text", {"version": "1.0.0"})
    PROTOBUF = (
        "application/vnd.google.protobuf",
        {"proto": "io.prometheus.client.MetricFamily", "encoding": "delimited"},
    )

    @property
    def media_type(self) -> str:
        """Without parameters."""
        return self.value[0]

    @property
    def parameters(self) -> dict[str, str]:
        """In lower case, as they are compared."""
        return {name: value.lower() for name, value in self.value[1].items()}

    @property
    def content_type(self) -> str:
        """The header's value."""
        parameters = [f"{name}={value}" for name, value in self.value[1].items()]
        return "; ".join([self.value[0], *parameters, *([] if self is Format.PROTOBUF else ["charset=utf-8"])])


class Family(NamedTuple):
    """A metric's lines, of a histogram those of one series together.

    ``created``, where there are any, tell for each of ``samples`` when it began; each format has its place for them.
    """

    name: str
    kind: Kind
    help: str
    samples: Sequence[str]
    created: Sequence[str] = ()


def escape(value: str) -> str:
    """A label value between its quotes."""
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return value


def _header(name: str, kind: Kind, help_text: str) -> str:
    escaped = help_text.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {escaped}\n# TYPE {name} {kind}\n"


def page_of(families: Iterable[Family], form: Format) -> str:
    """The text of a page, or of a part of it; OpenMetrics ends with ``# EOF``, which is not part of it."""
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
                # A series and when it began stand together.
                parts.extend(line for pair in zip(family.samples, family.created, strict=True) for line in pair)
            else:
                parts.extend(family.samples)
    return "".join(parts)


def _base(family: Family) -> str:
    return family.name.removesuffix("_total") if family.kind is Kind.COUNTER else family.name


class _Series(NamedTuple):
    """What of a series' lines stays: all but the values. ``starts`` is one, or those of each line of a histogram."""

    since_seconds: float
    starts: tuple[str, ...]
    created: str


_MadeSeries = dict[tuple[str, ...], _Series]


class Renderer:
    """Makes the lines; what stays of a series' lines is made once in its life, and forgotten with its tag."""

    def __init__(self) -> None:
        self._instance = ""
        self._made: dict[str | None, dict[str, _MadeSeries]] = {}

    def families(self, node: NodeSeen, tags: Mapping[str, TagView]) -> list[Family]:
        """The lines of everything that is known now.

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
            # Label values come and go (pids): what is not there now is not kept.
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
    """The lines of a histogram; ``starts``: of its buckets, its sum and its count."""
    totals = tuple(itertools.accumulate(fold(value).counts))
    values = (*totals, value.sum_ns / 1e9, totals[-1])
    return "".join([f"{start}{shown}\n" for start, shown in zip(starts, values, strict=True)])


def _labels(names: Iterable[str], values: Iterable[str]) -> str:
    return ",".join(f'{name}="{escape(value)}"' for name, value in zip(names, values, strict=True))
