"""Common parts of the benchmarks: figures with goals, a table on stdout, and JSON files."""

from __future__ import annotations

import json
import math
import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

BEFORE_VARIABLE = "NEURON_BENCH_BEFORE"
"""The Python of a virtual environment with an older version of the project, for comparison."""
RESULTS = Path(__file__).parent / "results"


class Figure(NamedTuple):
    """A measured value. ``goal``: the largest (or smallest) value that meets it; ``None``: only for comparison."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    at_most: bool = True
    note: str = ""

    @property
    def verdict(self) -> str:
        """Whether the goal is met."""
        if self.goal is None:
            return ""
        met = self.value <= self.goal if self.at_most else self.value >= self.goal
        return "met" if met else "MISSED"


def microseconds_per_call(call: Callable[[], object], calls: int, rounds: int = 7) -> float:
    """Return the median over rounds of the mean time of a call."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(calls):
            call()
        times.append((time.perf_counter() - started) / calls * 1e6)
    return statistics.median(times)


def process_seconds(command: Sequence[str], runs: int = 15, env: dict[str, str] | None = None) -> float:
    """Return the median wall time of a whole process, after a warm-up run."""
    return processes_seconds([(command, env)], runs)[0]


def processes_seconds(
    programs: Sequence[tuple[Sequence[str], dict[str, str] | None]], runs: int = 15, *, processor: bool = False
) -> list[float]:
    """Return the median wall time of each program. They run in turn, so that load of the host affects all equally.

    Args:
        programs: command and environment (``None``: that of this process) of each.
        runs: number of runs of each, after a warm-up run.
        processor: measure processor time, including that of children, instead of wall time.
    """
    times: list[list[float]] = [[] for _ in programs]
    for number in range(runs + 1):
        for (command, env), found in zip(programs, times, strict=True):
            # Run all programs from byte code, like installed programs.
            environment = {
                k: v for k, v in (os.environ if env is None else env).items() if k != "PYTHONDONTWRITEBYTECODE"
            }
            clock = _children_seconds if processor else time.perf_counter
            started = clock()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
            if number:
                found.append(clock() - started)
    return [statistics.median(found) for found in times]


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


_THERE = """
import importlib.util, json, sys
from pathlib import Path
folder = Path(sys.argv[1])
places = [sys.argv[1]]
spec = importlib.util.spec_from_file_location("benchmarks", folder / "__init__.py", submodule_search_locations=places)
sys.modules["benchmarks"] = importlib.util.module_from_spec(spec)
module = importlib.import_module("benchmarks." + sys.argv[2])
print(json.dumps(module.measure()))
"""


def before_program(name: str) -> str | None:
    """The path of a program of the older version, ``None`` without one."""
    python = os.environ.get(BEFORE_VARIABLE)
    return str(Path(python).parent / name) if python else None


def measured_before(module: str) -> dict[str, float]:
    """Return the result of ``benchmarks.MODULE.measure()`` with the older version of the project; empty without one."""
    python = os.environ.get(BEFORE_VARIABLE)
    if not python:
        return {}
    command = [python, "-P", "-c", _THERE, str(Path(__file__).parent), module]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(claim: str, module: str, now: dict[str, float], unit: str, goals: dict[str, float]) -> None:
    """Report the figures of ``benchmarks.MODULE.measure()``, with those of the older version if there is one.

    Args:
        claim: see :func:`report`.
        module: name of the benchmark.
        now: its figures.
        unit: unit of the figures.
        goals: figure -> largest value that meets its goal.
    """
    before = measured_before(module)
    figures = []
    for name, value in now.items():
        note = f"before: {before[name]:.4g} {unit}" if name in before else ""
        figures.append(Figure(name, value, unit, goals.get(name), note=note))
    report(claim, figures)


def exponent(points: Mapping[float, float]) -> float:
    """Return the exponent of the power law through the points: the slope of their logarithms."""
    xs, ys = [math.log(x) for x in points], [math.log(max(y, 1e-12)) for y in points.values()]
    return statistics.linear_regression(xs, ys).slope


def report(claim: str, figures: Sequence[Figure]) -> None:
    """Print the table, and write ``results/CLAIM.json``."""
    table = Table(title=claim, title_justify="left")
    for column in ("figure", "value", "goal", "verdict", "note"):
        table.add_column(column, justify="right" if column in ("value", "goal") else "left")
    for f in figures:
        goal = "" if f.goal is None else f"{'<=' if f.at_most else '>='} {f.goal:g} {f.unit}"
        table.add_row(f.name, f"{f.value:.4g} {f.unit}", goal, f.verdict, f.note)
    Console().print(table)
    RESULTS.mkdir(exist_ok=True)
    facts = [{**f._asdict(), "verdict": f.verdict} for f in figures]
    (RESULTS / f"{claim}.json").write_text(json.dumps({"claim": claim, "figures": facts}, indent=2) + "\n")
