"""Promtool tests of the rules; every alert has a section in the runbooks."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from real_prometheus import REPOSITORY, program

from dashboards.alerts import ALERTS
from dashboards.files import FOLDER, KUBERNETES
from dashboards.recordings import FLEET_RECORDINGS, RECORDINGS
from dashboards.runbooks import RUNBOOKS
from runtime_core.telemetry.health import RULES as HEALTH_RULES

RULES = sorted((FOLDER / "rules").glob("*.yml"))
CASES = sorted((Path(__file__).parent / "rules").glob("*.yml"))
SHIPPED = [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def promtool(*arguments):
    return subprocess.run([program("promtool"), *map(str, arguments)], capture_output=True, text=True, timeout=60)


def test_promtool_finds_nothing_wrong_with_the_rules():
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", *RULES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout
    assert f"{len(RECORDINGS)} rules found" in done.stdout
    assert f"{len(FLEET_RECORDINGS)} rules found" in done.stdout


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_rules_say_what_the_cases_expect(case):
    done = promtool("test", "rules", case)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_in_which_it_is_raised():
    raised = set()
    for path in CASES:
        for case in yaml.safe_load(path.read_text())["tests"]:
            raised |= {check["alertname"] for check in case.get("alert_rule_test", ()) if check["exp_alerts"]}
    assert {alert.name for alert in ALERTS} <= raised


def test_every_alert_points_at_its_section_of_the_runbooks():
    headlines = re.findall(r"^## (\w+)$", (REPOSITORY / "docs/how-to/runbooks.md").read_text(), re.MULTILINE)
    assert [h for h in headlines if h in {alert.name for alert in ALERTS}] == [alert.name for alert in ALERTS]
    # The other sections belong to health rules without an alert.
    assert {h.lower() for h in headlines} == {a.name.lower() for a in ALERTS} | {
        r.runbook for r in HEALTH_RULES.values()
    }
    alerts = [rule for rule in SHIPPED if "alert" in rule]
    assert len(alerts) == len(ALERTS)
    for rule in alerts:
        page, _, fragment = rule["annotations"]["runbook_url"].partition("#")
        assert (page, fragment) == (RUNBOOKS, rule["alert"].lower())
        assert rule["labels"]["severity"] in {"critical", "warning"}


def test_links_within_the_runbooks_lead_somewhere():
    text = (REPOSITORY / "docs/how-to/runbooks.md").read_text()
    names = {headline.lower() for headline in re.findall(r"^## (\w+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\(#(\w+)\)", text)) <= names


def test_promtool_finds_nothing_wrong_with_the_configuration():
    done = promtool("check", "config", "--syntax-only", REPOSITORY / "deploy/prometheus/prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_operators_resource_has_the_same_rules(tmp_path):
    resource = yaml.safe_load((KUBERNETES / "prometheusrule.yaml").read_text())
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(resource["spec"]))
    done = promtool("check", "rules", tmp_path / "rules.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    rules = [rule for group in resource["spec"]["groups"] for rule in group["rules"]]
    assert sorted(rules, key=str) == sorted(SHIPPED, key=str)
