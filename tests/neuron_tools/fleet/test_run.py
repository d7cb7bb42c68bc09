"""``neuron-sim fleet run``: a fleet over hours, the shipped rules over it, reports, blocks for a real Prometheus."""

import json
import re
import subprocess
from xml.etree import ElementTree

import numpy as np
import pytest
from real_prometheus import program, prometheus

from dashboards.files import FOLDER
from dashboards.fleet import FLEET as DASHBOARD
from dashboards.spec import promql
from neuron_tools.fleet.run import command
from neuron_tools.fleet.run.job import node_rules, nodes_of_run
from neuron_tools.fleet.run.rules import NodeRules
from neuron_tools.fleet.run.spec import jobs_of
from neuron_tools.fleet.series import NodeSeries, PageSeries
from neuron_tools.scenario.promql.grid import Columns, GridStore, evaluate_grid
from neuron_tools.scenario.promql.rules import AlertRule, RecordingRule
from neuron_tools.sweep.job import execute
from neuron_tools.sweep.options import Choice
from runtime_core.errors import UsageError
from runtime_core.instance import instance_type

FLEET = """
fleet: example
seed: 5
age: 1h
models:
  small: {milliseconds: 10}
groups:
  - name: web
    count: 2
    instance: inf1.xlarge
    zone: eu-west-1a
    applications:
      - {tag: web, cores: "0-2", models: [small], arrivals: {poisson: 30}, threads: 3}
      - {tag: batch, cores: "3", models: [small], arrivals: {constant: 20}}
    failures:
      - {every: 100m, fault: {fault: core-hang, cores: "3", for: 10m}}
    maintenance: {every: 4h, for: 15m}
  - name: spare
    count: 1
    instance: inf1.2xlarge
    applications:
      - {tag: spare, cores: "0", models: [small], arrivals: {constant: 5}}
"""


ALONE = FLEET[: FLEET.index("  - name: web")] + FLEET[FLEET.index("  - name: spare") :]
SECONDS = 7500
START = 1769817600


class Inline:
    """Runs jobs here, the last first: results must not depend on the order."""

    def run(self, jobs):
        import msgspec

        from neuron_tools.sweep.job import Done

        for job in reversed(jobs):
            yield msgspec.json.decode(execute(msgspec.json.encode(job)), type=Done)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A run of two hours and five minutes, all series written."""
    folder = tmp_path_factory.mktemp("fleet")
    file = folder / "fleet.yaml"
    file.write_text(FLEET)
    plan = command.RunPlan(file, SECONDS / 86400, folder / "out", start="2026-01-31T00:00:00Z")
    spec, fleet = command.spec_of(plan)
    plan.out.mkdir()
    done = command.run_fleet(spec, fleet, Inline(), frozenset({0, 1, 2}), 1, plan.out)
    command.write_reports(plan.out, done)
    return done, plan


def test_figures_add_up(ran):
    done, _ = ran
    summary = done.summary
    assert summary.nodes == 3
    # Two of three nodes are down for 15 minutes of 125.
    assert summary.availability_ratio == pytest.approx(1 - 2 * 15 / (3 * 125), abs=0.004)
    assert summary.tags["spare"].executions == 5 * SECONDS
    assert summary.tags["spare"].success_ratio == 1.0
    assert summary.tags["web"].executions == pytest.approx(2 * 30 * (SECONDS - 900), rel=0.02)
    assert 0 < summary.tags["batch"].failed < summary.tags["batch"].executions
    assert 0.01 < summary.tags["web"].quantile_seconds(0.5) < 0.02
    price = instance_type("inf1.2xlarge").price_usd_per_hour
    assert summary.groups["spare"].cost_usd == pytest.approx(SECONDS / 3600 * price)
    assert summary.groups["spare"].idle_usd == pytest.approx(summary.groups["spare"].cost_usd * 0.75)


def test_alerts_fire_for_faults_and_for_nothing_else(ran):
    done, _ = ran
    down = [i for i in done.outcome.incidents if i.what == "maintenance"]
    hangs = [
        i
        for i in done.outcome.incidents
        if i.what == "core-hang"
        and 0 < i.since_seconds < SECONDS - 600
        and not any(m.node == i.node and m.since_seconds < i.until_seconds < m.until_seconds + 600 for m in down)
    ]
    hung = [f for f in done.firings if f.alert == "NeuronCoreHung"]
    assert hangs
    for incident in hangs:
        assert any(f.node == incident.node and 0 < f.since_seconds - incident.since_seconds < 600 for f in hung), (
            incident
        )
    assert {f.labels["neuroncore"] for f in hung} == {"3"}
    assert done.summary.unexplained == 0
    stale = [f for f in done.firings if f.alert == "NeuronMonitorStale"]
    assert {f.node for f in stale} == {"web-0000", "web-0001"}
    assert all(600 < f.until_seconds - f.since_seconds <= 900 for f in stale)


def test_reports_say_the_same(ran):
    done, plan = ran
    facts = json.loads((plan.out / "report.json").read_text())
    assert facts["nodes"] == 3
    assert [v["met"] for v in facts["verdicts"]] == [v.met for v in done.verdicts]
    suite = ElementTree.parse(plan.out / "junit.xml").getroot()
    assert suite.get("failures") == str(sum(not v.met for v in done.verdicts))
    page = (plan.out / "report.html").read_text()
    assert page.count("<svg") == 6
    assert "runbooks/#neuroncorehung" in page
    assert not any(outside in page for outside in ("<script", "<link", "src="))


def test_a_real_prometheus_shows_the_run(ran, tmp_path):
    _, plan = ran
    files = sorted((plan.out / "openmetrics").glob("*.om"))
    assert len(files) == 2
    for file in files:
        names = re.findall(r"(?m)^# TYPE (\S+)", file.read_text())
        assert len(names) == len(set(names))
        subprocess.run(
            [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", "-q", file, tmp_path / "data"],
            check=True, capture_output=True,
        )  # fmt: skip
    at = START + SECONDS - 60
    with prometheus(tmp_path, [], [], retention="10y") as server:
        subprocess.run(
            [program("promtool"), "tsdb", "create-blocks-from", "rules", f"--start={START}", f"--end={at}",
             f"--url={server.url}", f"--output-dir={tmp_path / 'data'}", "--eval-interval=60s",
             FOLDER / "rules/neuron-fleet.yml"],
            check=True, capture_output=True,
        )  # fmt: skip
    with prometheus(tmp_path, [], [], retention="10y") as server:
        assert server.get("/api/v1/query", query="count(up)", time=at)["result"][0]["value"][1] == "3"
        rate = server.get("/api/v1/query", query='sum(rate(execution_status_total{runtime_tag="spare"}[5m]))', time=at)
        assert float(rate["result"][0]["value"][1]) == pytest.approx(5.0)
        for section in DASHBOARD.sections:
            for panel in section.panels:
                for query in panel.queries:
                    asked = promql(panel, query).replace("$__rate_interval", "5m")
                    for variable in ("$instance_type", "$zone", "$tag"):
                        asked = asked.replace(variable, ".*")
                    found = server.get("/api/v1/query_range", query=asked, start=START, end=at, step=300)
                    assert found["result"], (panel.title, asked)


BROKEN = """
fleet: broken
seed: 4
age: 1h
models:
  small: {milliseconds: 10}
groups:
  - name: web
    count: 1
    instance: inf1.xlarge
    applications:
      - {tag: web, cores: "0-2", models: [small], arrivals: {poisson: 30}, threads: 3}
      - {tag: batch, cores: "3", models: [small], arrivals: {constant: 20}}
    failures:
      - {every: 25m, fault: {fault: core-hang, cores: "3", for: 10m}}
"""


def test_a_real_prometheus_evaluates_the_rules_alike(tmp_path):
    """Recordings by value, and where the condition of each alert holds, at every minute of two hours."""
    file, minutes = tmp_path / "fleet.yaml", 119
    file.write_text(BROKEN)
    plan = command.RunPlan(file, minutes / 1440, tmp_path, start="2026-01-31T00:00:00Z")
    spec, fleet = command.spec_of(plan)
    command.run_fleet(spec, fleet, Inline(), frozenset({0}), 1, tmp_path)
    (om,) = (tmp_path / "openmetrics").glob("*.om")
    subprocess.run(
        [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", "-q", om, tmp_path / "data"],
        check=True, capture_output=True,
    )  # fmt: skip
    rules, store = node_rules(), our_series(spec, fleet)
    recorded = rules.record(store)
    holding = {alert.name: 0 for alert in rules.alerts}
    with prometheus(tmp_path, [], [], retention="10y") as server:

        def asked(expression):
            found = server.get("/api/v1/query_range", query=expression, start=START, end=START + minutes * 60, step=60)
            return {
                (frozenset(series["metric"].items()), round((at - START) / 60)): float(value)
                for series in found["result"]
                for at, value in series["values"]
            }

        for rule in rules.recordings:
            ours = points(recorded[rule.record])
            theirs = asked(rule.expression)
            # The labels of a rule are added afterwards.
            named = {
                (labels | {("__name__", rule.record)} | {*rule.labels}, at): value
                for (labels, at), value in nameless(theirs).items()
            }
            for key, value in named.items():
                assert ours.pop(key) == pytest.approx(value, rel=1e-9, nan_ok=True), (rule.record, key)
            assert not [key for key in ours if {*rule.labels} <= key[0]], rule.record
        for alert in rules.alerts:
            ours, theirs = points(evaluate_grid(store, alert.expression)), asked(alert.expression)
            assert ours.keys() == theirs.keys(), alert.name
            holding[alert.name] = len(theirs)
    assert all(holding[name] for name in ("NeuronCoreHung", "NeuronErrorBudgetBurnsFast"))


def our_series(spec, fleet):
    node = nodes_of_run(spec.text, spec.folder, spec.seed, spec.files).by_name["web-0000"]
    return NodeSeries(node, PageSeries(None), "us-east-1a").over(
        spec.times_ns(fleet, 0, spec.samples), 3600 * 10**9, 60.0
    )


def points(columns):
    return {
        (frozenset(labels), place): float(values[place])
        for labels, values, present in zip(columns.labels, columns.values, columns.present, strict=True)
        for place in np.flatnonzero(present).tolist()
    }


def nameless(found):
    return {(frozenset(p for p in labels if p[0] != "__name__"), at): value for (labels, at), value in found.items()}


def test_processes_give_the_same_result(tmp_path):
    file = tmp_path / "fleet.yaml"
    file.write_text(ALONE.replace("count: 1", "count: 25"))
    spec, fleet = command.spec_of(command.RunPlan(file, 0.01, tmp_path, start="2026-01-31T00:00:00Z"))
    results = []
    for engine in (Inline(), command.engine_of(Choice("local", 2))):
        out = tmp_path / str(len(results))
        out.mkdir()
        done = command.run_fleet(spec, fleet, engine, frozenset({3, 17, 24}), 1, out)
        results.append((command.as_json(done), [f.read_bytes() for f in sorted((out / "openmetrics").glob("*.om"))]))
    assert results[0] == results[1]
    assert len(results[0][1]) == 1


def test_a_run_in_days_is_one_run(tmp_path):
    file = tmp_path / "fleet.yaml"
    file.write_text(FLEET.replace("count: 2", "count: 1"))
    spec, fleet = command.spec_of(command.RunPlan(file, 2.5, tmp_path, start="2026-01-31T00:00:00Z", step="5m"))
    assert len(spec.pieces()) == 3
    done = command.run_fleet(spec, fleet, Inline(), frozenset(), 1, None)
    assert done.summary.tags["spare"].executions == 5 * 60 * 3600
    assert sum(done.outcome.groups["spare"].scrapes) == 2.5 * 288
    assert [job.end - job.first for job in jobs_of(spec, fleet)] == [1, 1]


def test_expectations_of_the_file_are_judged(tmp_path):
    file = tmp_path / "fleet.yaml"
    said = ["success spare >= 100%", "latency p50 spare < 1ms", "availability >= 50%", "alerts NeuronCoreHung <= 0",
            "alerts without a cause <= 0", "cost > 100"]  # fmt: skip
    file.write_text(ALONE + "expectations:\n" + "".join(f"  - {line}\n" for line in said))
    spec, fleet = command.spec_of(command.RunPlan(file, 0.02, tmp_path, start="2026-01-31T00:00:00Z"))
    done = command.run_fleet(spec, fleet, Inline(), frozenset(), 1, None)
    assert [(v.expectation, v.met) for v in done.verdicts] == list(
        zip(said, (True, False, True, True, True, False), strict=True)
    )
    file.write_text(file.read_text().replace("success spare", "success nobody"))
    with pytest.raises(UsageError, match="no tag 'nobody'") as told:
        command.spec_of(command.RunPlan(file, 0.02, tmp_path))
    assert ":14" in told.value.where


@pytest.mark.parametrize(
    ("expression", "refused"),
    [
        ("up == 0", False),
        ("sum by (job, instance) (up) == 0", False),
        ("up * on (instance_type) group_left () size", False),
        ("absent(up)", False),
        ("sum(up) < 3", True),
        ("sum by (job) (up) < 3", True),
        ("count without (instance) (up)", True),
        ("up and on (job) instance_info", True),
        ("up > scalar(up)", True),
        ("absent(up) and on () up", True),
    ],
)
def test_a_rule_that_needs_all_nodes_is_refused(expression, refused):
    recordings = [RecordingRule("size", "vector(3)", (("instance_type", "inf1.xlarge"),))]
    if refused:
        with pytest.raises(UsageError, match="joins series of several nodes"):
            NodeRules(recordings, [AlertRule("A", expression, 0.0)])
    else:
        assert NodeRules(recordings, [AlertRule("A", expression, 0.0)]).absences == [expression == "absent(up)"]


def test_the_shipped_rules_look_back_six_hours():
    assert node_rules().reach_seconds == 6 * 3600


def test_what_is_missing_on_every_node_fires_once():
    rules = NodeRules([], [AlertRule("Gone", "absent(up)", 60.0)])
    store = GridStore(np.arange(4) * 60.0, 60.0)
    store.add("up", Columns([(("__name__", "up"),)], np.ones((1, 4)), np.array([[True, False, False, True]])))
    (found,) = rules.holding(store, 0)
    assert found.runs == [(1, 3)]


@pytest.mark.parametrize(
    ("option", "text"),
    [({"step": "10m"}, "1s to 5m"), ({"step": "x"}, "expected a duration"),
     ({"step": "1500ms"}, "whole seconds"), ({"days": 0.0}, "shorter"),
     ({"start": "soon"}, "no time")],
)  # fmt: skip
def test_bad_options_are_refused(tmp_path, option, text):
    file = tmp_path / "fleet.yaml"
    file.write_text(FLEET)
    with pytest.raises(UsageError, match=text):
        command.spec_of(command.RunPlan(file, **{"days": 1.0, "out": tmp_path, **option}))


def test_the_command_writes_reports_and_says_whether_expectations_are_met(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "engine_of", lambda choice: Inline())
    file = tmp_path / "fleet.yaml"
    plan = command.RunPlan(file, 0.01, tmp_path / "new" / "out", start="2026-01-31T00:00:00Z", openmetrics_nodes=0)
    for said, status in (("cost > 100", 1), ("cost < 100", 0)):
        file.write_text(f"{ALONE}expectations:\n  - {said}\n")
        assert command.run(plan) == status
        told = capsys.readouterr()
        assert said in told.out
        assert "virtual seconds per second" in told.err
        assert "Series of 0 of 1 nodes" in told.err
    assert {path.name for path in plan.out.iterdir()} == {"report.html", "report.json", "junit.xml"}


def test_series_of_as_many_nodes_as_fit_are_written(tmp_path):
    file = tmp_path / "fleet.yaml"
    file.write_text(ALONE.replace("count: 1", "count: 1000"))
    spec, fleet = command.spec_of(command.RunPlan(file, 7, tmp_path))
    assert 0 < len(command.written_nodes(fleet, spec, None, 1)) < 20
    assert len(command.written_nodes(fleet, spec, None, 5)) > len(command.written_nodes(fleet, spec, None, 1))
    assert command.written_nodes(fleet, spec, 4, 1) == {0, 250, 500, 750}
