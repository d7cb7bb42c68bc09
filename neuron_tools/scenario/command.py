"""``neuron-sim scenario``: run scenario files, check them, list the library."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from neuron_console import exit_codes
from neuron_console.text import printable
from neuron_tools.files import write_output
from neuron_tools.scenario.load import load_scenario
from neuron_tools.scenario.monitor import shipped_rules
from neuron_tools.scenario.report import as_json, as_junit, as_text
from neuron_tools.scenario.run import Progress, Result, run_scenario
from neuron_tools.scenario.schema import Scenario
from neuron_tools.scenario.world import World
from runtime_core.errors import UsageError

LIBRARY = "neuron_tools.scenario.library"


class RunPlan(NamedTuple):
    """Scenarios to run: names of the library or files; ``virtual``: under the virtual clock."""

    scenarios: tuple[str, ...]
    virtual: bool
    seed: int
    junit: Path | None
    as_json: bool


def library_files() -> list[Path]:
    """Return the files of the library by name."""
    folder = Path(str(resources.files(LIBRARY)))
    return sorted(folder.glob("*.yaml"))


def find(name: str) -> Path:
    """Find a scenario file by its path, or by its name in the library.

    Raises:
        UsageError: it does not exist.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return path
    known = {file.stem: file for file in library_files()}
    if name not in known:
        raise UsageError(f"scenario {name!r} not found", mend=f"use a file, or one of {', '.join(known)}")
    return known[name]


def describe_library() -> str:
    """Return the library's scenarios, one per line."""
    files = library_files()
    width = max((len(file.stem) for file in files), default=0)
    return "\n".join(f"{file.stem.ljust(width)}  {load_scenario(file).scenario}" for file in files)


def run(plan: RunPlan) -> int:
    """Run the scenarios one after the other and print the results; returns the exit status.

    Raises:
        UsageError: a file is invalid; nothing was run.
        NeuronError: a report cannot be written.
    """
    names = plan.scenarios or tuple(file.stem for file in library_files())
    loaded = [(path, load_scenario(path)) for path in map(find, names)]
    # The runtimes would only log the rehearsed failures.
    os.environ.setdefault("NEURON_RT_LOG_LEVEL", "QUIET")
    results: list[Result] = []
    for number, (path, scenario) in enumerate(loaded):
        with progress_bar(scenario.scenario) as progress:
            results.append(_run_one(scenario, path.parent, plan, progress))
        if not plan.as_json:
            print(("\n" if number else "") + as_text(results[-1]), flush=True)
    if plan.as_json:
        print(as_json(results))
    elif len(results) > 1:
        failed = sum(not result.met for result in results)
        print(f"\n{len(results)} scenarios, {failed} with expectations that were not met")
    if plan.junit is not None:
        write_output(plan.junit, as_junit(results))
    return exit_codes.OK if all(result.met for result in results) else exit_codes.FAILURE


def _run_one(scenario: Scenario, folder: Path, plan: RunPlan, progress: Progress) -> Result:
    world: World
    if plan.virtual:
        from neuron_tools.scenario.virtual_world import VirtualWorld

        world = VirtualWorld(scenario, folder, plan.seed)
    else:
        from neuron_tools.scenario.real_world import RealWorld

        world = RealWorld(scenario, folder, plan.seed)
    try:
        return run_scenario(scenario, world, shipped_rules(), progress)
    finally:
        world.close()


@contextmanager
def progress_bar(name: str) -> Iterator[Progress]:
    """A progress bar; only on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    name_column = TextColumn("{task.description}", markup=False)
    columns = (name_column, BarColumn(), TextColumn("{task.fields[shown]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(printable(name), total=1.0, shown="")
        yield lambda done, total: bar.update(task, completed=done, total=total, shown=f"{done:.0f} of {total:.0f} s")


def check(files: Sequence[Path]) -> str:
    """Check scenario files.

    Raises:
        UsageError: a file is invalid.
    """
    return "\n".join(f"{file}: {load_scenario(file).scenario}" for file in files)
