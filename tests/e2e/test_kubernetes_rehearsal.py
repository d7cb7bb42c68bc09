"""From a fault to a pod that runs again, with real processes and the real clock."""

from pathlib import Path

from neuron_tools.scenario.load import parse_scenario
from neuron_tools.scenario.monitor import shipped_rules
from neuron_tools.scenario.real_world import RealWorld
from neuron_tools.scenario.run import run_scenario

SCENARIO = b"""
scenario: A node that heals itself, with real processes
instance: inf1.xlarge
duration: 20s
sample: 4s
models:
  small: {milliseconds: 4}
applications:
  - {tag: web, pod: {neuron: 1}, models: [small], arrivals: {poisson: 20}, threads: 2}
timeline:
  - {at: 3s, fault: mem-ecc-uncorrected, devices: "0", count: 1}
expectations:
  - {expect: condition NeuronHealth False within 10s}
  - {expect: node cordoned within 10s}
  - {expect: pod web evicted within 10s}
  - {expect: node back within 17s}
  - {expect: pod web rescheduled within 17s}
"""


def test_real_processes_are_drained_and_started_again(tmp_path):
    scenario = parse_scenario(SCENARIO, Path("scenario.yaml"))
    world = RealWorld(scenario, tmp_path, 0)
    try:
        result = run_scenario(scenario, world, shipped_rules())
    finally:
        world.close()
    assert result.met, result.verdicts
