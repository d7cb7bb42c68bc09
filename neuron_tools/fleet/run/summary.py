"""The figures of a run: service, alerts and cost, from the sums over all nodes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dashboards.objectives import LATENCY_OBJECTIVE_SECONDS, SUCCESS_OBJECTIVE_RATIO
from dashboards.rules import anchor
from dashboards.runbooks import RUNBOOKS
from neuron_tools.fleet.run.outcome import Firing, GroupOutcome, Incident, Outcome, TagOutcome
from neuron_tools.scenario.promql.functions import histogram_quantile
from neuron_tools.scenario.promql.rules import AlertRule
from neuron_tools.scenario.promql.series import Sample
from runtime_core.instance import instance_type

if TYPE_CHECKING:
    from neuron_tools.fleet.run.spec import RunSpec
    from neuron_tools.fleet.schema import Fleet


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


def summary_of(spec: RunSpec, fleet: Fleet, outcome: Outcome, alerts: Sequence[AlertRule]) -> Summary:
    """The figures of a run."""
    firings = [*outcome.firings, *absent_firings(spec, outcome, alerts)]
    scrapes = sum(sum(group.scrapes) for group in outcome.groups.values())
    answered = sum(sum(group.answered) for group in outcome.groups.values())
    kinds = [incident.what for incident in outcome.incidents]
    return Summary(
        {tag: _tag(outcome.tags[tag]) for tag in tags_of(fleet) if tag in outcome.tags},
        {group.name: _group(spec, group.instance, group.zone, outcome.groups[group.name]) for group in fleet.groups},
        [_alert(spec, alert.name, [f for f in firings if f.alert == alert.name]) for alert in alerts],
        {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        answered / scrapes,
        float(spec.seconds),
    )


def tags_of(fleet: Fleet) -> list[str]:
    """The tags of a fleet's applications, in the file's order."""
    return list(dict.fromkeys(application.tag for group in fleet.groups for application in group.applications))


def absent_firings(spec: RunSpec, outcome: Outcome, alerts: Sequence[AlertRule]) -> list[Firing]:
    """Alerts on what is missing everywhere: they are of no node."""
    found = []
    for alert in alerts:
        waits = -(-alert.lasting_seconds // spec.step_seconds)
        for first, end in outcome.absences.get(alert.name, []):
            if first + waits < end:
                since, until = (first + waits) * spec.step_seconds, end * spec.step_seconds
                found.append(Firing(alert.name, "", {}, since, until if end < spec.samples else None, False))
    return found


def _tag(found: TagOutcome) -> TagSummary:
    bounds = [math.inf if bound is None else bound for bound in found.bounds_seconds]
    buckets = sorted(zip(bounds, (sum(points) for points in found.buckets), strict=True))
    return TagSummary(sum(found.executions), sum(found.failed), found.latency_sum_seconds, tuple(buckets))


def _group(spec: RunSpec, instance: str, zone: str, found: GroupOutcome) -> GroupSummary:
    size = instance_type(instance)
    cost = found.nodes * spec.seconds / 3600 * size.price_usd_per_hour
    # Of a node that is down nobody owns a core.
    idle = 1 - sum(found.cores_owned) / (sum(found.scrapes) * size.core_count)
    used = sum(found.utilization_count)
    return GroupSummary(
        found.nodes, instance, zone, sum(found.answered) / sum(found.scrapes),
        sum(found.utilization_sum) / used if used else None, cost, cost * idle,
    )  # fmt: skip


def _alert(spec: RunSpec, name: str, firings: Sequence[Firing]) -> AlertSummary:
    seconds = sum(
        (spec.seconds if firing.until_seconds is None else firing.until_seconds) - firing.since_seconds
        for firing in firings
    )
    return AlertSummary(
        name, f"{RUNBOOKS}#{anchor(name)}", len(firings), sum(not firing.explained for firing in firings),
        len({firing.node for firing in firings}), seconds,
    )  # fmt: skip


def facts_of(
    spec: RunSpec, fleet: Fleet, summary: Summary, firings: Sequence[Firing], incidents: Sequence[Incident]
) -> dict[str, object]:
    """The figures for programs."""
    return {
        "fleet": fleet.fleet,
        "seed": spec.seed,
        "seconds": spec.seconds,
        "step_seconds": spec.step_seconds,
        "start_unix_seconds": spec.start_unix_seconds,
        "nodes": summary.nodes,
        "availability_ratio": summary.availability_ratio,
        "cost": {
            "usd": summary.cost_usd,
            "idle_usd": sum(group.idle_usd for group in summary.groups.values()),
            "usd_per_million_executions": summary.cost_per_million_usd,
        },
        "groups": [{"name": name, **group._asdict()} for name, group in summary.groups.items()],
        "service": [
            {
                "tag": name, "executions": tag.executions, "failed": tag.failed, "success_ratio": tag.success_ratio,
                "success_objective_ratio": SUCCESS_OBJECTIVE_RATIO, "budget_left_ratio": tag.budget_left_ratio,
                "in_time_ratio": tag.in_time_ratio, "latency_objective_seconds": LATENCY_OBJECTIVE_SECONDS,
                "p50_seconds": tag.quantile_seconds(0.5), "p99_seconds": tag.quantile_seconds(0.99),
            }
            for name, tag in summary.tags.items()
        ],
        "alerts": [alert._asdict() for alert in summary.alerts],
        "incident_counts": dict(summary.incidents),
        "firings": [
            {
                "alert": f.alert, "node": f.node, "labels": f.labels, "since_seconds": f.since_seconds,
                "until_seconds": f.until_seconds, "explained": f.explained,
            }
            for f in firings
        ],
        "incidents": [
            {"node": i.node, "what": i.what, "since_seconds": i.since_seconds, "until_seconds": i.until_seconds}
            for i in incidents
        ],
    }  # fmt: skip
