"""A run's result as text, JSON, JUnit XML and HTML. Equal results give equal bytes."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from dashboards.objectives import LATENCY_OBJECTIVE_SECONDS, SUCCESS_OBJECTIVE_RATIO
from neuron_console.text import columns
from neuron_console.units import rounded
from neuron_tools.fleet.run.figures import Summary
from neuron_tools.fleet.run.outcome import Firing, Outcome
from neuron_tools.fleet.run.plots import plots_of, svg_of
from neuron_tools.fleet.run.spec import RunSpec
from neuron_tools.fleet.run.summary import facts_of
from neuron_tools.fleet.schema import Fleet
from neuron_tools.scenario.expectations import Verdict
from neuron_tools.scenario.report import Suite, junit_of

_SHOWN_FIRINGS = 200


class FleetRun(NamedTuple):
    """A run and its result; ``openmetrics_nodes``: how many nodes' series were written."""

    spec: RunSpec
    fleet: Fleet
    outcome: Outcome
    firings: Sequence[Firing]
    summary: Summary
    verdicts: Sequence[Verdict]
    openmetrics_nodes: int

    @property
    def met(self) -> bool:
        """Whether every expectation is."""
        return all(verdict.met for verdict in self.verdicts)


class _Table(NamedTuple):
    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def _ratio(value: float | None) -> str:
    return "N/A" if value is None else f"{value:.4%}"


def _usd(value: float | None) -> str:
    return "N/A" if value is None else f"${value:,.2f}"


def _milliseconds(value: float | None) -> str:
    return "N/A" if value is None else f"{value * 1e3:.4g} ms"


def _duration(seconds: float) -> str:
    days, rest = divmod(round(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [f"{value}{unit}" for value, unit in ((days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")) if value]
    return " ".join(parts) or "0s"


def _tables(run: FleetRun) -> list[_Table]:
    summary = run.summary
    return [
        _Table("Verdicts", ("verdict", "expectation", "found"),
               [("met" if v.met else "NOT MET", v.expectation, v.found) for v in run.verdicts]),
        _Table("Service", ("tag", "executions", "failed", "success", "budget left", "in time", "p50 (buckets)",
               "p99 (buckets)"),
               [(name, f"{tag.executions:,.0f}", f"{tag.failed:,.0f}", _ratio(tag.success_ratio),
                 "N/A" if tag.budget_left_ratio is None else f"{tag.budget_left_ratio:.1%}",
                 _ratio(tag.in_time_ratio), _milliseconds(tag.quantile_seconds(0.5)),
                 _milliseconds(tag.quantile_seconds(0.99)))
                for name, tag in summary.tags.items()]),
        _Table("Nodes and cost", ("group", "nodes", "type", "zone", "available", "utilization", "cost", "idle cores"),
               [(name, str(g.nodes), g.instance, g.zone, _ratio(g.availability_ratio), _ratio(g.utilization_ratio),
                 _usd(g.cost_usd), _usd(g.idle_usd)) for name, g in summary.groups.items()]),
        _Table("Alerts by runbook", ("alert", "fired", "without a cause", "nodes", "firing for", "runbook"),
               [(a.name, str(a.fired), str(a.unexplained), str(a.nodes), _duration(a.seconds), a.runbook)
                for a in summary.alerts if a.fired]),
        _Table("Faults and maintenance", ("what", "times"),
               [(what, str(count)) for what, count in summary.incidents.items()]),
    ]  # fmt: skip


def _headline(run: FleetRun) -> str:
    summary = run.summary
    return (
        f"{run.fleet.fleet}: {summary.nodes} nodes for {_duration(summary.seconds)}, "
        f"{_usd(summary.cost_usd)} ({_usd(summary.cost_per_million_usd)} per million executions)"
    )


def as_text(run: FleetRun) -> str:
    """Tables for a terminal."""
    lines = [_headline(run)]
    for table in _tables(run):
        if table.rows:
            shown = columns([heading.upper() for heading in table.headings], table.rows)
            lines += ["", *(f"  {line}" for line in shown)]
    return "\n".join(lines)


def as_json(run: FleetRun) -> str:
    """One object."""
    facts = facts_of(run.spec, run.fleet, run.summary, run.firings, run.outcome.incidents)
    facts |= {
        "met": run.met,
        "verdicts": [verdict._asdict() for verdict in run.verdicts],
        "openmetrics_nodes": run.openmetrics_nodes,
    }
    return json.dumps(rounded(facts), indent=2)


def as_junit(run: FleetRun) -> bytes:
    """JUnit XML: a case per expectation."""
    return junit_of([Suite(run.fleet.fleet, run.summary.seconds, run.verdicts, as_text(run))])


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em; color: #1b1b1b; }
table { border-collapse: collapse; margin: 0.5em 0 1.5em; }
th, td { text-align: left; padding: 0.2em 1em 0.2em 0; border-bottom: 1px solid #ddd; vertical-align: top; }
th { font-weight: 600; }
.bad { color: #b03a00; font-weight: 600; }
.good { color: #00674b; }
svg { max-width: 100%; height: auto; }
"""


def as_html(run: FleetRun) -> str:
    """A page that needs no other file and no network.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    parts = [
        "<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html.escape(run.fleet.fleet)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{html.escape(run.fleet.fleet)}</h1><p>{html.escape(_headline(run))}</p>",
    ]  # fmt: skip
    tables = _tables(run)
    parts += _table(tables[0])
    parts += [svg_of(run.spec, plot) for plot in plots_of(run.spec, run.outcome, run.firings)]
    for table in tables[1:]:
        parts += _table(table)
    parts += _table(_first_firings(run))
    parts += [f"<h2>How it was computed</h2><p>{html.escape(line)}</p>" if not number else f"<p>{html.escape(line)}</p>"
              for number, line in enumerate(_notes(run))]  # fmt: skip
    return "\n".join([*parts, "</body></html>", ""])


def _table(table: _Table) -> Iterable[str]:
    yield f"<h2>{html.escape(table.title)}</h2><table><tr>"
    yield "".join(f"<th>{html.escape(heading)}</th>" for heading in table.headings) + "</tr>"
    for row in table.rows:
        yield "<tr>" + "".join(_cell(cell) for cell in row) + "</tr>"
    yield "</table>" if table.rows else "</table><p>None.</p>"


def _cell(text: str) -> str:
    shown = html.escape(text)
    if text.startswith("https://"):
        return f'<td><a href="{shown}">{shown.rpartition("#")[2]}</a></td>'
    style: Mapping[str, str] = {"met": ' class="good"', "NOT MET": ' class="bad"'}
    return f"<td{style.get(text, '')}>{shown}</td>"


def _first_firings(run: FleetRun) -> _Table:
    count = len(run.firings)
    title = f"Every alert, the first {_SHOWN_FIRINGS} of {count}" if count > _SHOWN_FIRINGS else "Every alert"
    rows = [
        (
            _duration(f.since_seconds), f.alert, f.node, ", ".join(f"{k}={v}" for k, v in f.labels.items()),
            "still fires" if f.until_seconds is None else _duration(f.until_seconds - f.since_seconds),
            "yes" if f.explained else "no",
        )
        for f in sorted(run.firings, key=lambda f: (f.since_seconds, f.node, f.alert))[:_SHOWN_FIRINGS]
    ]  # fmt: skip
    return _Table(title, ("after", "alert", "node", "labels", "for", "fault or maintenance"), rows)


def _notes(run: FleetRun) -> list[str]:
    spec = run.spec
    return [
        f"Seed {spec.seed}. Every node is scraped, and the shipped rules are evaluated, every "
        f"{_duration(spec.step_seconds)} of virtual time, node by node; an alert that lasts less can be missed. "
        "Counters are computed in closed form between events, within the error that the documentation states.",
        f"Success counts all executions but those with invalid input; the objective is {SUCCESS_OBJECTIVE_RATIO:.1%}. "
        f"'In time' is the share within {LATENCY_OBJECTIVE_SECONDS:g} s by the histogram. The error budget is that of "
        "the run, not of 30 days. Executions between the last scrape and a boot are not counted, as in Prometheus.",
        "An alert has a cause when a fault or a maintenance of its node came before it, no longer ago than its "
        "expression looks back. Cost is the effective price of reserved instances, of nodes that are down too.",
        f"Series of {run.openmetrics_nodes} of {run.summary.nodes} nodes were written as OpenMetrics.",
    ]
