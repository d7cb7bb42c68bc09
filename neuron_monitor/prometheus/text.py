"""Metrics as text: the Prometheus format 0.0.4 and OpenMetrics 1.0."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from neuron_monitor.prometheus.buckets import LE_LABELS
from neuron_monitor.prometheus.seen import Durations, NodeSeen
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


class Format(enum.Enum):
    """What a page can be: media type, version and the character set it is in."""

    TEXT = ("text/plain", "0.0.4")
    OPENMETRICS = ("application/openmetrics-text", "1.0.0")

    @property
    def media_type(self) -> str:
        """Without parameters."""
        return self.value[0]

    @property
    def parameters(self) -> dict[str, str]:
        """Those that tell this format from others of the same media type."""
        return {"version": self.value[1]}

    @property
    def content_type(self) -> str:
        """The header's value."""
        return f"{self.media_type}; version={self.value[1]}; charset=utf-8"


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


class Renderer:
    """Makes the lines; the label text of a series is made once in its life."""

    def __init__(self) -> None:
        self._instance = ""
        self._series: dict[tuple[str, str], dict[tuple[str, ...], str]] = {}

    def families(self, node: NodeSeen, tags: Mapping[str, TagView]) -> list[Family]:
        """The lines of everything that is known now.

        Args:
            node: the node.
            tags: the runtimes by tag.
        """
        instance = _labels(INSTANCE_LABELS, _identity(node))
        if instance != self._instance:
            self._series.clear()
            self._instance = instance
        if len(self._series) > 4 * (len(tags) + 1) * (len(INHERITED_RUNTIME) + len(OWN_RUNTIME)):
            self._series.clear()
        runtime_groups = [(tag, view, view.since_seconds) for tag, view in tags.items()]
        node_groups = [("", node, node.since_seconds)]
        return [
            *(self._family(metric, runtime_groups, of_runtime=True) for metric in INHERITED_RUNTIME),
            *(self._family(metric, node_groups, of_runtime=False) for metric in INHERITED_NODE),
            *(self._family(metric, runtime_groups, of_runtime=True) for metric in OWN_RUNTIME),
            *(self._family(metric, node_groups, of_runtime=False) for metric in OWN_NODE),
        ]

    def _family(self, metric: Metric[T], groups: list[tuple[str, T, float]], *, of_runtime: bool) -> Family:
        samples: list[str] = []
        created: list[str] = []
        for tag, subject, since in groups:
            series = self._series.setdefault((metric.name, tag), {})
            for labels, value in metric.read(subject):
                if value is None:
                    continue
                text = series.get(labels)
                if text is None:
                    names = (*metric.labels, RUNTIME_LABEL) if of_runtime else metric.labels
                    own = _labels(names, (*labels, tag) if of_runtime else labels)
                    text = series[labels] = ",".join(part for part in (self._instance, own) if part)
                if isinstance(value, Durations):
                    samples.append(_histogram(metric.name, text, value))
                else:
                    samples.append(f"{metric.name}{{{text}}} {value}\n")
                if metric.kind is not Kind.GAUGE:
                    created.append(f"{metric.name.removesuffix('_total')}_created{{{text}}} {since}\n")
            if len(series) > 2 * len(samples) + 64:
                # Label values that come and go (pids) must not be kept for ever.
                series.clear()
        return Family(metric.name, metric.kind, metric.help, samples, created)


def _identity(node: NodeSeen) -> tuple[str, ...]:
    known = node.instance
    return (
        known.instance_name,
        known.instance_id,
        known.instance_type,
        known.instance_availability_zone,
        known.instance_region,
        known.subnet_id,
    )


def _labels(names: Iterable[str], values: Iterable[str]) -> str:
    return ",".join(f'{name}="{escape(value)}"' for name, value in zip(names, values, strict=True))


def _histogram(name: str, labels: str, value: Durations) -> str:
    lines = []
    total = 0
    start = f'{name}_bucket{{{labels},le="'
    for count, bound in zip(value.counts, LE_LABELS, strict=True):
        total += count
        lines.append(f'{start}{bound}"}} {total}\n')
    lines.append(f"{name}_sum{{{labels}}} {value.sum_ns / 1e9}\n{name}_count{{{labels}}} {total}\n")
    return "".join(lines)
