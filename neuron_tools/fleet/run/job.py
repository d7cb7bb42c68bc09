"""Runs the nodes of a job, one after the other, a day at a time: memory does not grow with the length of the run."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import msgspec

from neuron_tools.fleet.node import FleetNode, Nodes
from neuron_tools.fleet.run.names import panel_names
from neuron_tools.fleet.run.openmetrics import Texts
from neuron_tools.fleet.run.outcome import Firing, Incident, NodesResult, Outcome, both
from neuron_tools.fleet.run.rules import NodeRules, Pending
from neuron_tools.fleet.run.spec import NodesJob, RunSpec
from neuron_tools.fleet.run.totals import COUNTED, DURATION, Totals
from neuron_tools.fleet.schema import nodes_of
from neuron_tools.fleet.series import NodeSeries, PageSeries
from neuron_tools.scenario.monitor import shipped_rules
from neuron_tools.scenario.promql.series import Labels
from neuron_tools.scenario.report import TARGET_LABELS
from neuron_tools.scenario.schema import nanoseconds_of
from neuron_tools.sweep.files import InputFile, check_files


def run_nodes_job(arguments: bytes) -> bytes:
    """A job of a run: :class:`.spec.NodesJob` in, :class:`.outcome.NodesResult` out, as JSON.

    Raises:
        UsageError: the fleet cannot run as its file says.
    """
    return msgspec.json.encode(run_nodes(msgspec.json.decode(arguments, type=NodesJob)))


@functools.lru_cache(1)
def nodes_of_run(text: str, folder: str, seed: int, files: tuple[InputFile, ...]) -> Nodes:
    """What jobs of one fleet share: the states that were measured."""
    check_files(files)
    return Nodes(RunSpec(text, folder, seed, 1, 1, 0).fleet, Path(folder))


@functools.lru_cache(1)
def node_rules() -> NodeRules:
    """The shipped rules."""
    rules = shipped_rules()
    return NodeRules(rules.recordings, rules.alerts)


def run_nodes(job: NodesJob) -> NodesResult:
    """Run some nodes of a group.

    Raises:
        UsageError: the group's applications cannot run as the file says.
    """
    spec, rules = job.spec, node_rules()
    nodes = nodes_of_run(spec.text, spec.folder, spec.seed, spec.files)
    group = nodes.fleet.groups[job.group]
    texts = Texts(spec.start_unix_seconds, spec.step_seconds, job.openmetrics_step)
    few = PageSeries({*rules.names, *COUNTED})
    many = PageSeries({*rules.names, *COUNTED, f"{DURATION}_count", *panel_names()}) if job.openmetrics else few
    totals, firings, incidents = Totals(spec), list[Firing](), list[Incident]()
    absences: dict[str, list[tuple[int, int]]] | None = None
    for name in nodes_of(nodes.fleet)[job.first : job.end]:
        written = name.number in job.openmetrics
        runner = _NodeRun(spec, nodes, nodes.by_name[name.name], many if written else few)
        absent = runner.run(totals, texts if written else None, constants=name.number == 0)
        absences = absent if absences is None else {alert: both(absences[alert], absent[alert]) for alert in absences}
        totals.group.nodes += 1
        incidents += runner.incidents
        firings += runner.firings()
    outcome = Outcome({group.name: totals.group}, totals.tags, firings, incidents, absences or {})
    return NodesResult(outcome, texts.packed())


class _NodeRun:
    """One node: its series, and its alerts."""

    def __init__(self, spec: RunSpec, nodes: Nodes, node: FleetNode, page: PageSeries) -> None:
        self._spec, self._rules, self._node, self._page = spec, node_rules(), node, page
        self._fleet = nodes.fleet
        self._start_ns = nanoseconds_of(nodes.fleet.age)
        self._series = NodeSeries(node, page, nodes.fleet.groups[node.name.group].zone)
        self._pending = Pending(self._rules.alerts, spec.step_seconds)
        self._absent = Pending(self._rules.alerts, spec.step_seconds)
        self.incidents = list(self._incidents())

    def run(self, totals: Totals, texts: Texts | None, *, constants: bool) -> dict[str, list[tuple[int, int]]]:
        """Run it; returns where each alert on what is missing everywhere holds for this node.

        Args:
            totals: to add to.
            texts: to write series to.
            constants: write the recordings that are of no node, too.
        """
        spec, rules = self._spec, self._rules
        # One more than the rules look back, for what was counted since the scrape before.
        most_lead = int(rules.reach_seconds // spec.step_seconds) + 2
        for first, end in spec.pieces():
            begin = max(0, first - most_lead)
            lead = first - begin
            times_ns = spec.times_ns(self._fleet, begin, end)
            store = self._series.over(times_ns, self._start_ns, spec.step_seconds)
            scraped = dict(store.families)
            recorded = rules.record(store)
            for found in rules.holding(store, lead):
                (self._absent if rules.absences[found.alert] else self._pending).add(found, first)
            totals.add(store, lead, first)
            if texts is not None:
                texts.add_page(scraped, self._page.kinds, lead, first)
                texts.add_recordings(recorded, lead, first, constants=constants)
        if texts is not None:
            texts.add_alerts(rules.alerts, list(self._pending.firing()), spec.samples)
        return {
            alert.name: self._absent.runs(number) for number, alert in enumerate(rules.alerts) if rules.absences[number]
        }

    def firings(self) -> Iterator[Firing]:
        """The alerts that fired."""
        spec, rules = self._spec, self._rules
        for number, labels, first, end in self._pending.firing():
            since, until = first * spec.step_seconds, end * spec.step_seconds
            reach = rules.alert_reaches[number] + rules.alerts[number].lasting_seconds + spec.step_seconds
            explained = any(i.since_seconds <= since <= i.until_seconds + reach for i in self.incidents)
            yield Firing(
                rules.alerts[number].name, self._node.name.name, _own(labels), since,
                until if end < spec.samples else None, explained,
            )  # fmt: skip

    def _incidents(self) -> Iterator[Incident]:
        # Rules look back to before the run no further than the grid goes, so only what touches it counts.
        for what, since_ns, until_ns in self._node.incidents(
            self._start_ns, self._start_ns + self._spec.seconds * 10**9
        ):
            since, until = ((at_ns - self._start_ns) / 1e9 for at_ns in (since_ns, until_ns))
            yield Incident(self._node.name.name, what, since, until)


def _own(labels: Labels) -> dict[str, str]:
    """The labels that tell series of one node apart."""
    return {name: value for name, value in labels if name not in TARGET_LABELS and name != "zone"}
