"""The figures of a run: service, alerts and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dashboards.objectives import LATENCY_OBJECTIVE_SECONDS, SUCCESS_OBJECTIVE_RATIO
from neuron_tools.scenario.promql.functions import histogram_quantile
from neuron_tools.scenario.promql.series import Sample


class TagSummary(NamedTuple):
    """Executions of a tag over the run. Ratios are ``None`` without executions."""

    executions: float
    failed: float
    latency_sum_seconds: float
    buckets: tuple[tuple[float, float], ...]

    @property
    def success_ratio(self) -> float | None:
        """Share that succeeded."""
        return 1 - self.failed / self.executions if self.executions else None

    @property
    def budget_left_ratio(self) -> float | None:
        """Share of the error budget that is left; negative: overspent."""
        ratio = self.success_ratio
        return None if ratio is None else 1 - (1 - ratio) / (1 - SUCCESS_OBJECTIVE_RATIO)

    @property
    def in_time_ratio(self) -> float | None:
        """Share that ended within the latency objective, by the histogram: at least this much."""
        total = self.buckets[-1][1] if self.buckets else 0.0
        within = max((count for bound, count in self.buckets if bound <= LATENCY_OBJECTIVE_SECONDS), default=0.0)
        return within / total if total else None

    def quantile_seconds(self, ratio: float) -> float | None:
        """A quantile of the durations, as Prometheus interpolates it."""
        if not self.buckets or not self.buckets[-1][1]:
            return None
        samples = [Sample((("le", str(bound)),), count) for bound, count in self.buckets]
        return histogram_quantile(ratio, samples)[0].value


class GroupSummary(NamedTuple):
    """A group: nodes, how much of the time they answered, dollars, and those paid for cores without an owner."""

    nodes: int
    instance: str
    zone: str
    availability_ratio: float
    utilization_ratio: float | None
    cost_usd: float
    idle_usd: float


class AlertSummary(NamedTuple):
    """An alert: how often it fired, how often without a cause on the node, on how many nodes, for how long in all."""

    name: str
    runbook: str
    fired: int
    unexplained: int
    nodes: int
    seconds: float


class Summary(NamedTuple):
    """All figures of a run."""

    tags: Mapping[str, TagSummary]
    groups: Mapping[str, GroupSummary]
    alerts: Sequence[AlertSummary]
    incidents: Mapping[str, int]
    availability_ratio: float
    seconds: float

    @property
    def alert_names(self) -> frozenset[str]:
        """Names of all alerts."""
        return frozenset(alert.name for alert in self.alerts)

    @property
    def nodes(self) -> int:
        """How many nodes."""
        return sum(group.nodes for group in self.groups.values())

    @property
    def cost_usd(self) -> float:
        """Dollars, of nodes that are down too."""
        return sum(group.cost_usd for group in self.groups.values())

    @property
    def cost_per_million_usd(self) -> float | None:
        """Dollars for a million executions; ``None`` without executions."""
        executions = sum(tag.executions for tag in self.tags.values())
        return self.cost_usd / executions * 1e6 if executions else None

    @property
    def unexplained(self) -> int:
        """Alerts that fired without a cause on the node."""
        return sum(alert.unexplained for alert in self.alerts)

    def fired(self, name: str) -> int:
        """How often an alert fired."""
        return next(alert.fired for alert in self.alerts if alert.name == name)
