"""From the sums over all nodes to the figures of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dashboards.objectives import LATENCY_OBJECTIVE_SECONDS, SUCCESS_OBJECTIVE_RATIO
from dashboards.rules import anchor
from dashboards.runbooks import RUNBOOKS
from neuron_tools.fleet.run.figures import AlertSummary, GroupSummary, Summary, TagSummary
from neuron_tools.fleet.run.outcome import Firing, GroupOutcome, Incident, Outcome, TagOutcome
from neuron_tools.fleet.run.spec import RunSpec
from neuron_tools.fleet.schema import Fleet
from neuron_tools.scenario.promql.rules import AlertRule
from runtime_core.instance import instance_type


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
