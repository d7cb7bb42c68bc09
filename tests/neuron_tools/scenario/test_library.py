"""Every shipped scenario meets its expectations, every alert has a scenario, and equal seeds give equal bytes."""

import json
from xml.etree import ElementTree

import pytest

from dashboards.alerts import ALERTS
from neuron_tools.scenario.command import find, library_files
from neuron_tools.scenario.load import load_scenario
from neuron_tools.scenario.monitor import shipped_rules
from neuron_tools.scenario.report import as_junit, as_text
from neuron_tools.scenario.run import run_scenario
from neuron_tools.scenario.virtual_world import VirtualWorld

NAMES = [file.stem for file in library_files()]


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("NEURON_RT_LOG_LEVEL", "QUIET")


def run(path, seed=0):
    scenario = load_scenario(path)
    world = VirtualWorld(scenario, path.parent, seed)
    try:
        return run_scenario(scenario, world, shipped_rules())
    finally:
        world.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_scenario_meets_its_expectations(name):
    result = run(find(name))
    assert result.met, as_text(result)


def test_there_are_ten_and_one_for_every_alert():
    expected = " ".join(e.expect for file in library_files() for e in load_scenario(file).expectations)
    assert len(NAMES) >= 10
    for alert in ALERTS:
        assert f"alert {alert.name} within" in expected


SHORT = """scenario: short
instance: inf1.xlarge
duration: 2m
models:
  small: {milliseconds: 5}
applications:
  - {tag: web, cores: "0-1", models: [small], arrivals: {poisson: 60}, threads: 3}
  - {tag: loop, cores: "3", models: [small], arrivals: {closed: {workers: 1, think: 20ms}}, end: 90s}
  - {tag: third, cores: "3", models: [small], arrivals: {constant: 5}, start: 1m}
timeline:
  - {at: 30s, fault: execution-error, error: model, cores: "0-1", ratio: 0.5, for: 20s}
  - {at: 60s, fault: nan, cores: "0"}
  - {at: 70s, clear: true}
  - {at: 80s, reset: 0}
  - {at: 95s, hold: web, for: 10s}
expectations:
  - {expect: model errors web > 400}
  - {expect: third fails to start}
  - {expect: completed web > 1000000}
  - {expect: hardware errors web > 1000}
"""


@pytest.fixture
def short(tmp_path):
    path = tmp_path / "short.yaml"
    path.write_text(SHORT)
    return path


def test_equal_seeds_give_equal_bytes_and_others_do_not(short):
    first, again, other = run(short, 1), run(short, 1), run(short, 2)
    assert (as_text(first), as_junit([first])) == (as_text(again), as_junit([again]))
    assert as_text(first) != as_text(other)


def test_verdicts_tell_what_was_found(short):
    result = run(short)
    assert [v.met for v in result.verdicts] == [True, True, False, True]
    assert "Requested:nc3-nc3 Available:0: process " in result.verdicts[1].found
    assert float(result.verdicts[2].found) < 1e6
    assert "NOT MET  completed web > 1000000" in as_text(result)


def test_junit_is_what_ci_systems_read(short):
    root = ElementTree.fromstring(as_junit([run(short)]))
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "4", "1")
    (suite,) = root
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("short", "4", "1")
    (failed,) = (case for case in suite if case.find("failure") is not None)
    assert failed.get("name") == "completed web > 1000000"


def test_the_command_runs_checks_and_lists(short, command, tmp_path):
    junit = tmp_path / "report.xml"
    done = command("neuron_tools.sim", "scenario", "run", short, "--seed", "3", "--json", "--junit", junit)
    assert (done.returncode, done.stderr) == (1, "")
    (facts,) = json.loads(done.stdout)
    assert facts["met"] is False
    assert ElementTree.parse(junit).getroot().get("failures") == "1"
    assert command("neuron_tools.sim", "scenario", "check", short).stdout.strip() == f"{short}: short"
    listed = command("neuron_tools.sim", "scenario", "list").stdout
    assert all(name in listed for name in NAMES)
    short.write_text(SHORT.replace("poisson", "fish"))
    for verb in ("run", "check"):
        done = command("neuron_tools.sim", "scenario", verb, short)
        assert done.returncode == 2
        assert f"{short}:7:" in done.stderr
    assert command("neuron_tools.sim", "scenario", "run", "no-such").returncode == 2


def test_an_alert_that_no_rule_has_is_refused(short, command):
    short.write_text(SHORT.replace("third fails to start", "alert NeuronCoreHang within 5m"))
    for verb in ("run", "check"):
        done = command("neuron_tools.sim", "scenario", verb, short)
        assert done.returncode == 2
        assert f"{short}:" in done.stderr
        assert "unknown alert NeuronCoreHang" in done.stderr
        assert "NeuronCoreHung" in done.stderr


def test_percentiles_of_buckets_are_distinguished_from_exact_ones(tmp_path, command):
    file = tmp_path / "latency.yaml"
    file.write_text(
        """scenario: latency
instance: inf1.xlarge
duration: 2m
models: {small: {milliseconds: 10}}
applications:
  - {tag: batch, cores: "3", models: [small], arrivals: {closed: {think: 5ms}}}
expectations:
  - {expect: latency p99 batch < 15ms}
"""
    )
    done = command("neuron_tools.sim", "scenario", "run", file)
    assert done.returncode == 0, done.stdout
    (summary,) = (line for line in done.stdout.splitlines() if "completed" in line)
    (verdict,) = (line for line in done.stdout.splitlines() if line.startswith("  met"))
    assert "p99 10." in summary
    assert "(runtime's histogram, whole run)" in summary
    assert "0.01495 s (interpolated in Prometheus buckets)" in verdict


@pytest.mark.e2e
def test_the_same_file_runs_under_the_real_clock(short, command):
    quick = SHORT.replace("2m", "8s").replace("duration: 8s", "duration: 8s\nsample: 1s")
    for old, new in (("30s", "2s"), ("20s", "2s"), ("60s", "5s"), ("70s", "6s"), ("80s", "7s"), ("90s", "6s"),
                     ("at: 95s", "at: 6500ms"), ("10s}", "1s}"),
                     ("start: 1m", "start: 3s"), ("> 400", "> 20"), ("> 1000}", "> 5}")):  # fmt: skip
        quick = quick.replace(old, new)
    short.write_text(quick)
    done = command("neuron_tools.sim", "scenario", "run", short, "--clock", "real", "--json", timeout=100)
    (facts,) = json.loads(done.stdout)
    assert [v["met"] for v in facts["verdicts"]] == [True, True, False, True], facts
