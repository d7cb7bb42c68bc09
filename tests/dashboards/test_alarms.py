"""Faults of a simulated node fire the intended alerts, with a real Prometheus and a real monitor."""

import subprocess
import sys
from contextlib import ExitStack, contextmanager

import psutil
import pytest
from conftest import wait_for
from real_prometheus import environment, monitor, prometheus, running
from small_models import small_neff

from dashboards.alerts import ALERTS
from dashboards.files import DASHBOARDS, FOLDER
from dashboards.grafana import ALERT_MARKS
from runtime_core.driver.node import set_up

EXPRESSIONS = {alert.name: alert.expr for alert in ALERTS}
APPLICATIONS = {"sound": 0, "hung": 4, "failing": 5, "slow": 6, "ended": 7, "hit": 8}
"""Tag -> core. The application with memory errors has a separate device."""


@contextmanager
def application(root, model, tag, core):
    """Execute 20 times per second."""
    command = [sys.executable, "-m", "neuron_tools.sim", "run", model, "--no-numerics", "--rate", "20"]
    with running(
        *command, "--visible-cores", core, "--tag", tag, "--duration", "0",
        env={**environment(root), "NEURON_RT_EXEC_TIMEOUT": "0.5"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        yield process


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A node, applications on it, its monitor, and Prometheus with all rules."""
    folder = tmp_path_factory.mktemp("alarms")
    root = folder / "node"
    set_up(root, type_name="inf1.6xlarge")
    (model := folder / "small.neff").write_bytes(small_neff(seconds=0.002))
    with ExitStack() as stack:
        started = {t: stack.enter_context(application(root, model, t, core)) for t, core in APPLICATIONS.items()}
        target = stack.enter_context(monitor(root))
        server = stack.enter_context(prometheus(folder, [target], sorted((FOLDER / "rules").glob("*.yml"))))
        wait_for(lambda: server.value("count(runtime_tag:executions:rate5m > 0)") == len(APPLICATIONS))
        # On a busy machine, callers may really wait for a long time.
        assert server.ask('ALERTS{alertname!="NeuronLatencyOverObjective"}') == []
        yield server, started, root


@pytest.fixture
def server(world):
    return world[0]


@pytest.fixture
def break_node(world, command):
    def inject(*arguments):
        done = command("neuron_tools.sim", "fault", "inject", *arguments, NEURON_SIM_ROOT=str(world[2]))
        assert done.returncode == 0, done.stderr

    return inject


def raised(server, name):
    """The tags (or devices) of an alert, pending or firing."""
    found = server.ask(f'ALERTS{{alertname="{name}"}}')
    return {labels.get("runtime_tag", labels.get("neuron_device_index", "")) for labels, _ in found}


def test_a_hung_core(server, break_node):
    break_node("core-hang", "--core", APPLICATIONS["hung"])
    # The windows of minutes still contain values from before the fault.
    soon = EXPRESSIONS["NeuronCoreHung"].replace("[2m]", "[1s]").replace("[5m]", "[3s]")
    found = wait_for(lambda: server.ask(soon), what="a core that is stuck")
    assert [(labels["runtime_tag"], labels["neuroncore"]) for labels, _ in found] == [("hung", "4")]


def test_failing_executions(server, break_node):
    break_node("execution-error", "--core", APPLICATIONS["failing"], "--error", "model", "--ratio", "0.5")
    wait_for(lambda: "failing" in raised(server, "NeuronErrorBudgetBurnsFast"))
    assert "sound" not in raised(server, "NeuronErrorBudgetBurnsFast")


def test_a_slow_core(server, break_node):
    break_node("slow-core", "--core", APPLICATIONS["slow"], "--factor", "100")
    wait_for(lambda: "slow" in raised(server, "NeuronLatencyOverObjective"))
    # On a busy machine other applications are late at times, but only this one is always late.
    in_time = 'rate(neuron_execution_duration_seconds_bucket{{le="0.1", runtime_tag="{}"}}[3s])'
    wait_for(lambda: server.value(in_time.format("slow")) == 0)
    assert server.value(in_time.format("sound")) > 0


def test_uncorrected_memory_errors(server, break_node):
    break_node("mem-ecc-uncorrected", "--device", APPLICATIONS["hit"] // 4, "--count", "1")
    wait_for(lambda: raised(server, "NeuronEccUncorrected") == {"2"})
    assert {labels["alertstate"] for labels, _ in server.ask('ALERTS{alertname="NeuronEccUncorrected"}')} == {"firing"}


def test_the_first_row_of_the_dashboards_and_the_marks_show_an_alert_that_fires(server):
    """After the test above: uncorrected errors of device 2 fire an alert at once."""
    wait_for(lambda: server.ask('ALERTS{alertname="NeuronEccUncorrected", alertstate="firing"}'))
    for dashboard in DASHBOARDS:
        health = {
            panel.title: panel.queries[0].expr.replace("$instance", ".+").replace("$tag", ".+")
            for panel in dashboard.sections[0].panels
        }
        assert server.value(health["Firing alerts"]) >= 1
        assert server.value(health["Unhealthy nodes"]) == 1
        told = [a for a, _ in server.ask(health["Alerts"]) if a.get("alertname") == "NeuronEccUncorrected"]
        alerts = next(panel for panel in dashboard.sections[0].panels if panel.title == "Alerts")
        nodes = {labels["instance"] for labels, _ in server.ask("instance_info")}
        assert {a[label] for a in told for link in alerts.links for label in link.fields.values()} == nodes
    assert server.ask(ALERT_MARKS)
    (firing,) = [
        a for a in server.get("/api/v1/alerts")["alerts"] if a["labels"]["alertname"] == "NeuronEccUncorrected"
    ]
    assert firing["annotations"]["dashboard_url"].endswith(f"?var-instance={firing['labels']['instance']}")
    assert firing["annotations"]["runbook_url"].startswith("https://")


def test_an_application_that_is_killed(world, server):
    world[1]["ended"].kill()
    wait_for(lambda: raised(server, "NeuronRuntimeGone") == {"ended"})


def test_a_monitor_that_stands_still(server):
    living = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    (watching,) = [child for child in living if "--prometheus" in child.cmdline()]
    watching.suspend()
    try:
        wait_for(lambda: raised(server, "NeuronMonitorStale"))
        assert server.value("up") == 0
    finally:
        watching.resume()
    wait_for(lambda: not raised(server, "NeuronMonitorStale"))
