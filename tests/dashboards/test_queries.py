"""Every query of every panel, and every rule, with a real Prometheus that scrapes real monitors."""

from contextlib import ExitStack, closing

import pytest
from conftest import wait_for
from fake_kubelet import FakeKubelet
from real_prometheus import monitor, owner, prometheus

from dashboards.files import DASHBOARDS, FOLDER
from dashboards.spec import promql, queries
from runtime_core.driver.node import set_up

QUERIES = [(dashboard, *query) for dashboard in DASHBOARDS for query in queries(dashboard)]
GRAFANAS_OWN = {"$__rate_interval": "5s", "$__range": "1m"}
NODES = {"inf1.6xlarge": (0, 5), "inf1.xlarge": (2,)}
"""Instance type -> the cores that are owned."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Two busy nodes of different sizes, the first one in a cluster, scraped, with all rules."""
    folder = tmp_path_factory.mktemp("fleet")
    with ExitStack() as stack:
        targets = []
        kubelet = stack.enter_context(closing(FakeKubelet()))
        kubelet.tell(("web-0", "main", "aws.amazon.com/neuroncore", ["0", "5"]))
        in_cluster = ("--kubernetes", "--pod-resources-socket", str(kubelet.socket))
        for name, cores in NODES.items():
            set_up(folder / name, type_name=name)
            for core in cores:
                stack.enter_context(owner(folder / name, core))
            targets.append(stack.enter_context(monitor(folder / name, *(() if targets else in_cluster))))
        rules = sorted((FOLDER / "rules").glob("*.yml"))
        assert len(rules) == 3
        yield stack.enter_context(prometheus(folder, targets, rules))


def filled_in(dashboard, asked):
    """The query with the variables at their defaults."""
    for name, value in (*GRAFANAS_OWN.items(), *((f"${v.name}", ".*") for v in dashboard.variables)):
        asked = asked.replace(name, value)
    assert "$" not in asked
    return asked


@pytest.mark.parametrize(("dashboard", "panel", "asked"), QUERIES, ids=[f"{d.uid}: {p}" for d, p, _ in QUERIES])
def test_a_panel_shows_data(fleet, dashboard, panel, asked):
    found = wait_for(lambda: fleet.ask(filled_in(dashboard, asked)), what=f"data for {asked}")
    # A ratio or a quantile without data is NaN, but a busy node has data.
    wait_for(lambda: any(v == v for _, v in fleet.ask(filled_in(dashboard, asked))), what=f"a number for {asked}")
    assert found


LINKED = [
    (dashboard, panel)
    for dashboard in DASHBOARDS
    # Alerts fire in test_alarms.py.
    for section in dashboard.sections[1:]
    for panel in section.panels
    if panel.links
]


@pytest.mark.parametrize(("dashboard", "panel"), LINKED, ids=[f"{d.uid}: {p.title}" for d, p in LINKED])
def test_a_link_sets_what_the_other_dashboard_can_choose(fleet, dashboard, panel):
    for link in panel.links:
        target = next(d for d in DASHBOARDS if d.uid == link.uid)
        variables = {v.name: v for v in target.variables}
        for name, label in link.fields.items():
            selector = filled_in(target, variables[name].selector)
            path = f"/api/v1/label/{variables[name].label}/values"
            choices = wait_for(lambda path=path, selector=selector: fleet.get(path, **{"match[]": selector}))
            for query in panel.queries:
                asked = filled_in(dashboard, promql(panel, query))
                shown = wait_for(lambda asked=asked: fleet.ask(asked), what=asked)
                assert {labels.get(label) for labels, _ in shown} <= set(choices), (link.title, label)


@pytest.mark.parametrize(
    ("dashboard", "variable"),
    [(d, v) for d in DASHBOARDS for v in d.variables],
    ids=[f"{d.uid}: {v.name}" for d in DASHBOARDS for v in d.variables],
)
def test_a_variable_has_values(fleet, dashboard, variable):
    selector = filled_in(dashboard, variable.selector)
    found = wait_for(lambda: fleet.get(f"/api/v1/label/{variable.label}/values", **{"match[]": selector}))
    assert all(found)


def test_every_rule_is_evaluated_without_error(fleet):
    def rules():
        return [rule for group in fleet.get("/api/v1/rules")["groups"] for rule in group["rules"]]

    wait_for(lambda: all(rule["health"] != "unknown" for rule in rules()), what="an evaluation of every rule")
    assert [(rule["name"], rule["lastError"]) for rule in rules() if rule["health"] != "ok"] == []


def test_a_healthy_fleet_raises_no_alarm(fleet):
    wait_for(lambda: fleet.value("count(runtime_tag:executions:rate5m)"))
    assert fleet.ask("ALERTS") == []


def test_capacity_and_cost_are_those_of_the_instances(fleet):
    wait_for(lambda: fleet.value("sum(instance:neuroncores_in_use:count)") == 3)
    cores = {labels["instance_type"]: value for labels, value in fleet.ask("instance:neuroncores:count")}
    assert cores == {"inf1.6xlarge": 16, "inf1.xlarge": 4}
    assert fleet.value("sum(instance:price:usd_per_hour)") == pytest.approx(0.567 + 0.110)
