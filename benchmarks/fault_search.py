"""Time in which ``neuron-sim scenario search`` finds planted defects, and size of the shrunk scenarios."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.harness import Figure, report
from neuron_tools.scenario.load import parse_scenario
from neuron_tools.scenario.search.find import as_yaml, search
from neuron_tools.scenario.search.mutants import MUTANTS, planted

_SECONDS = 120.0
_BASE = b"""
scenario: base of a search
instance: inf1.2xlarge
duration: 15m
models:
  small: {milliseconds: 10}
  big: {milliseconds: 20, constants_mib: 64}
applications:
  - {tag: web, cores: "0-1", models: [small], arrivals: {poisson: 20}, threads: 2}
  - {tag: batch, cores: "2", models: [big], arrivals: {constant: 5}}
  - {tag: side, cores: "3", models: [small, big], arrivals: {poisson: 5}, threads: 2}
expectations:
  - {expect: no alert}
"""


def main() -> None:
    """Measure."""
    os.environ.setdefault("NEURON_RT_LOG_LEVEL", "QUIET")
    base = parse_scenario(_BASE, Path("base.yaml"))
    figures = []
    for name in MUTANTS:
        with planted(name):
            searched = search(base, Path(), seconds=_SECONDS)
        found = searched.found
        note = "not found"
        if found is not None:
            lines = as_yaml(found.shrunken.scenario).count("\n")
            shrunk = f"shrunk to {lines} lines in {found.shrunken.trials} trials"
            note = f"{found.first.invariant}; {searched.seeds} seeds; {shrunk}"
        figures.append(Figure(name, searched.seconds, "s", _SECONDS, note=note))
    report("fault_search", figures)


if __name__ == "__main__":
    main()
