"""Recording and alerting rules, evaluated as Prometheus does: recordings first, then who is pending and who fires."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from neuron_tools.scenario.promql.evaluate import evaluate
from neuron_tools.scenario.promql.functions import without
from neuron_tools.scenario.promql.series import NAME, Labels, Sample, SeriesStore, labels_of


class RecordingRule(NamedTuple):
    """A series that is computed ahead."""

    record: str
    expression: str
    labels: tuple[tuple[str, str], ...] = ()


class AlertRule(NamedTuple):
    """A condition that must hold for ``lasting_seconds`` before it fires."""

    name: str
    expression: str
    lasting_seconds: float


class Firing(NamedTuple):
    """An alert that fired for one series, and when it ended (``None``: it still does)."""

    name: str
    labels: Labels
    since_seconds: float
    until_seconds: float | None


class Rules:
    """The rules' state over time."""

    def __init__(self, recordings: Sequence[RecordingRule], alerts: Sequence[AlertRule]) -> None:
        """Start without state."""
        self.recordings = recordings
        self.alerts = alerts
        self._pending: dict[tuple[str, Labels], float] = {}
        self._firing: dict[tuple[str, Labels], float] = {}
        self._ended: list[Firing] = []

    @property
    def names(self) -> frozenset[str]:
        """Names of the alerts."""
        return frozenset(alert.name for alert in self.alerts)

    def evaluate(self, store: SeriesStore, at_seconds: float) -> None:
        """Evaluate every rule at one time."""
        for rule in self.recordings:
            value = evaluate(store, rule.expression, at_seconds)
            found = [Sample((), value)] if isinstance(value, float) else value
            samples = (
                (labels_of(rule.record, {**dict(labels), NAME: rule.record, **dict(rule.labels)}), number)
                for labels, number in found
            )
            store.append(
                f"rule:{rule.record}{rule.labels}", at_seconds, [(rule.record, labels, n) for labels, n in samples]
            )
        for alert in self.alerts:
            self._follow(alert, store, at_seconds)

    def _follow(self, alert: AlertRule, store: SeriesStore, at_seconds: float) -> None:
        value = evaluate(store, alert.expression, at_seconds)
        holding = {without(s.labels, NAME) for s in value} if not isinstance(value, float) else set()
        for labels in holding:
            key = alert.name, labels
            since = self._pending.setdefault(key, at_seconds)
            if at_seconds - since >= alert.lasting_seconds:
                self._firing.setdefault(key, at_seconds)
        for key in [k for k in self._pending if k[0] == alert.name and k[1] not in holding]:
            del self._pending[key]
            fired = self._firing.pop(key, None)
            if fired is not None:
                self._ended.append(Firing(*key, fired, at_seconds))

    def fired(self) -> list[Firing]:
        """Every alert that fired so far, in the order of its first firing."""
        still = [Firing(*key, since, None) for key, since in self._firing.items()]
        return sorted((*self._ended, *still), key=lambda f: (f.since_seconds, f.name, f.labels))
