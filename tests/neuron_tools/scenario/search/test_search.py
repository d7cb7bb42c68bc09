"""The search finds planted defects, shrinks failing scenarios, and finds nothing in the real code."""

import json
import os
import subprocess
import sys

import pytest
from msgspec.structs import replace

from neuron_tools.scenario.load import parse_scenario
from neuron_tools.scenario.schema import EventSpec
from neuron_tools.scenario.search.find import as_yaml, search
from neuron_tools.scenario.search.generate import generate
from neuron_tools.scenario.search.invariants import INVARIANTS
from neuron_tools.scenario.search.mutants import MUTANTS, planted
from neuron_tools.scenario.search.trial import run_trial

BASE = b"""
scenario: base of a search
instance: inf1.xlarge
duration: 2m
sample: 15s
models:
  small: {milliseconds: 10}
applications:
  - {tag: web, cores: "0-1", models: [small], arrivals: {poisson: 20}, threads: 2}
  - {tag: batch, cores: "2", models: [small], arrivals: {constant: 5}, end: 60s}
  - {tag: batch, cores: "2", models: [small], arrivals: {constant: 5}, start: 65s}
expectations:
  - {expect: no alert}
"""
EVENTS = {
    "error-without-outcome": [EventSpec("20s", fault="execution-error", ratio=0.3, error="model")],
    "going-back": [EventSpec("40s", reset=0)],
    "ecc-of-a-kill": [EventSpec("40s", kill="web")],
    "failing-viewer": [EventSpec("40s", hold="web", lasting="30s")],
    "wrong-alert": [EventSpec("40s", kill="web")],
}
"""The event that reveals a defect; the other defects need none."""


@pytest.fixture
def base(tmp_path):
    return parse_scenario(BASE, tmp_path / "base.yaml")


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("NEURON_RT_LOG_LEVEL", "QUIET")


@pytest.mark.parametrize("name", MUTANTS)
def test_each_planted_defect_breaks_an_invariant_and_the_real_code_none(name, base, tmp_path):
    # The alert for a stopped runtime fires after five minutes.
    duration = "8m" if name == "wrong-alert" else base.duration
    scenario = replace(base, duration=duration, timeline=EVENTS.get(name, []))
    assert run_trial(scenario, tmp_path, 1, INVARIANTS) is None
    with planted(name):
        assert run_trial(scenario, tmp_path, 1, INVARIANTS) is not None


def test_what_is_found_is_shrunk_to_a_file_that_fails_again(base, tmp_path):
    with planted("half-accounted"):
        searched = search(base, tmp_path, seconds=60)
    shrunken = searched.found.shrunken
    assert (searched.seeds, shrunken.failure.invariant) == (1, "memory-adds-up")
    assert len(shrunken.scenario.applications) == 1
    assert shrunken.scenario.timeline == []
    file = tmp_path / "failing.yaml"
    file.write_text(as_yaml(shrunken.scenario))
    again = parse_scenario(file.read_bytes(), file)
    assert again == shrunken.scenario
    assert run_trial(again, tmp_path, searched.found.seed, INVARIANTS) is None
    with planted("half-accounted"):
        assert run_trial(again, tmp_path, searched.found.seed, INVARIANTS) == shrunken.failure


def test_equal_seeds_give_equal_scenarios_that_are_valid(base, tmp_path):
    made = [generate(base, seed) for seed in range(25)]
    assert made == [generate(base, seed) for seed in range(25)]
    assert len({as_yaml(one) for one in made}) == 25
    for one in made:
        parse_scenario(as_yaml(one).encode(), tmp_path / "made.yaml")


def test_invariants_of_others_are_held(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from neuron_tools.scenario.search.invariant import Invariant\n"
        "class NobodyRuns(Invariant):\n    name = 'nobody-runs'\n"
        "    def broken(self, probe):\n        return [runtime.tag for runtime in probe.now.runtimes]\n"
    )
    (tmp_path / "base.yaml").write_bytes(BASE)
    command = [sys.executable, "-m", "neuron_tools.sim", "scenario", "search", "base.yaml", "--minutes=0", "--json"]
    told = subprocess.run(
        [*command, "--invariant", "mine:NobodyRuns"], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env=os.environ,
    )  # fmt: skip
    assert told.returncode == 1
    assert json.loads(told.stdout)["failure"] == {"invariant": "nobody-runs", "seconds": 15.0, "what": "web"}
