"""neuron-monitor and a Prometheus that scrapes it, in a scenario: series at each sample, and alerts."""

from __future__ import annotations

import enum

from prometheus_client.parser import text_string_to_metric_families

from neuron_monitor.collector import Collector
from neuron_monitor.config import default_config
from neuron_monitor.prometheus.from_node import NodeFeed
from neuron_monitor.prometheus.text import Format, Renderer, page_of
from neuron_monitor.prometheus.totals import Totals
from neuron_tools.scenario.promql.rules import AlertRule, Firing, RecordingRule, Rules
from neuron_tools.scenario.promql.series import Labels, SeriesStore, labels_of
from neuron_tools.scenario.schema import seconds_of
from runtime_core.telemetry import Source

_TARGET = {"job": "neuron-monitor", "instance": "node:8000"}
_Sample = tuple[str, Labels, float]


class MonitorState(enum.StrEnum):
    """State of the scrape target: it responds, refuses, responds with old figures, or does not exist."""

    UP = "up"
    DOWN = "down"
    STALLED = "stalled"
    ABSENT = "absent"


def shipped_rules() -> Rules:
    """Return the recording and alerting rules that ``dashboards`` ships."""
    from dashboards.alerts import ALERTS
    from dashboards.recordings import RECORDINGS

    return Rules(
        [RecordingRule(r.record, r.expr, tuple(sorted(r.labels.items()))) for r in RECORDINGS],
        [AlertRule(a.name, a.expr, seconds_of(a.lasting)) for a in ALERTS],
    )


class Monitor:
    """Scrapes the node's metrics page and evaluates the rules on each call."""

    def __init__(self, source: Source, start_ns: int, rules: Rules) -> None:
        """Take the first snapshot of the node.

        Args:
            source: the node.
            start_ns: its current time, which becomes second 0.
            rules: rules to evaluate at each sample.
        """
        self.store = SeriesStore()
        self.state = MonitorState.UP
        self._rules = rules
        self._start_ns = start_ns
        self._collector = Collector(source, default_config(), start_ns)
        self._feed, self._totals, self._renderer = NodeFeed(), Totals(), Renderer()
        self._shown: list[_Sample] = []
        self._shown_seconds = 0.0
        self._looks = 0
        self._heads: dict[str, tuple[str, Labels]] = {}

    def sample(self, now_ns: int) -> None:
        """Scrape and evaluate once, at ``now_ns``."""
        at_seconds = (now_ns - self._start_ns) / 1e9
        answers = self.state in (MonitorState.UP, MonitorState.STALLED)
        samples: list[_Sample] = []
        if self.state is not MonitorState.ABSENT:
            samples.append(_of_monitor("up", float(answers)))
        if self.state is MonitorState.UP:
            self._shown, self._shown_seconds = self._page(now_ns), at_seconds
            self._looks += 1
        if answers:
            # The exporter's own figures use the scenario's time, and a scrape takes no time there.
            samples += self._shown
            samples.append(_of_monitor("neuron_monitor_report_age_seconds", at_seconds - self._shown_seconds))
            samples.append(_of_monitor("neuron_monitor_collection_duration_seconds_sum", 0.0))
            samples.append(_of_monitor("neuron_monitor_collection_duration_seconds_count", float(self._looks)))
        self.store.append("node", at_seconds, samples)
        self._rules.evaluate(self.store, at_seconds)

    def _page(self, now_ns: int) -> list[_Sample]:
        seen = self._feed.take(self._collector.collect(now_ns, everything=True))
        page = page_of(self._renderer.families(seen, self._totals.update(seen.runtimes)), Format.TEXT)
        return [
            (name, labels, float(value))
            for line in page.splitlines()
            if not line.startswith("#")
            for head, _, value in (line.rpartition(" "),)
            for name, labels in (self._series(head),)
            if not name.endswith("_created")
        ]

    def _series(self, head: str) -> tuple[str, Labels]:
        """Return the name and the labels of a line. They are cached, because most lines recur in every scrape."""
        known = self._heads.get(head)
        if known is None:
            (family,) = text_string_to_metric_families(f"{head} 0\n")
            (sample,) = family.samples
            known = self._heads[head] = sample.name, labels_of(sample.name, {**sample.labels, **_TARGET})
        return known

    def fired(self) -> list[Firing]:
        """Return every alert that has fired so far."""
        return self._rules.fired()


def _of_monitor(name: str, value: float) -> _Sample:
    return name, labels_of(name, _TARGET), value
