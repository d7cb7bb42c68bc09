"""The time to run the whole library of scenarios under the virtual clock, compared with their virtual time."""

from __future__ import annotations

import os
import time

from benchmarks.harness import Figure, report
from neuron_tools.scenario.command import library_files
from neuron_tools.scenario.load import load_scenario
from neuron_tools.scenario.monitor import shipped_rules
from neuron_tools.scenario.run import run_scenario
from neuron_tools.scenario.virtual_world import VirtualWorld


def main() -> None:
    """Run each scenario once."""
    os.environ["NEURON_RT_LOG_LEVEL"] = "QUIET"
    wall, processor, inside, unmet = time.perf_counter(), time.process_time(), 0.0, 0
    for file in library_files():
        scenario = load_scenario(file)
        world = VirtualWorld(scenario, file.parent, 0)
        try:
            result = run_scenario(scenario, world, shipped_rules())
        finally:
            world.close()
        inside += result.seconds
        unmet += not result.met
    spent, processor = time.perf_counter() - wall, time.process_time() - processor
    report(
        "scenarios",
        [
            Figure("the whole library", spent, "s", 60.0),
            Figure("of it the process's own time", processor, "s"),
            Figure("peer: the time that passes in it", inside, "s"),
            Figure("virtual seconds a second", inside / spent, "x"),
            Figure("scenarios with expectations that were not met", unmet, "", 0),
        ],
    )
