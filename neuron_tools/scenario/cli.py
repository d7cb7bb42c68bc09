"""``neuron-sim scenario``."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import JsonFlag, new_app
from neuron_console.extras import requires

app = new_app(
    "Rehearse incidents: run scenario files against the shipped alert rules, under a virtual clock or the real one.",
    """neuron-sim scenario list
neuron-sim scenario run core-hung
neuron-sim scenario run
neuron-sim scenario run mine.yaml --clock real
neuron-sim scenario run mine.yaml --seed 7 --junit report.xml
neuron-sim scenario check mine.yaml
neuron-sim scenario search mine.yaml --minutes 10 --out failing.yaml
neuron-sim scenario search failing.yaml --minutes 0 --seed 42""",
)


class ClockName(enum.Enum):
    """The clock that a scenario runs by."""

    VIRTUAL = "virtual"
    REAL = "real"


@app.command(name="run")
def run_scenarios(
    scenarios: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads the annotation at run time
        typer.Argument(
            metavar="[FILE|NAME]...", help="Scenario files, or names from the library. Default: the whole library."
        ),
    ] = None,
    clock: Annotated[ClockName, typer.Option(help="Simulate as fast as possible, or run in real time.")] = (
        ClockName.VIRTUAL
    ),
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random choices.")] = 0,
    junit: Annotated[Optional[Path], typer.Option(metavar="FILE", help="Also write JUnit XML.")] = None,  # noqa: UP045
    as_json: JsonFlag = False,
) -> None:
    """Run scenarios. Exit status 1 if an expectation is not met."""
    with requires("scenario"):
        from neuron_tools.scenario import command

    plan = command.RunPlan(tuple(scenarios or ()), clock is ClockName.VIRTUAL, seed, junit, as_json)
    raise typer.Exit(command.run(plan))


@app.command()
def check(files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Scenario files.")]) -> None:
    """Check scenario files without running them."""
    with requires("scenario"):
        from neuron_tools.scenario import command

    typer.echo(command.check(files))


@app.command(name="search")
def search_faults(
    scenario: Annotated[str, typer.Argument(metavar="FILE|NAME", help="Scenario whose applications run.")],
    minutes: Annotated[
        float,
        typer.Option(min=0, max=525_600, help="Minutes to search; 0 only runs FILE itself against the invariants."),
    ] = 5.0,
    seed: Annotated[int, typer.Option(min=0, help="First seed.")] = 0,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="FILE", help="Write the shortest scenario that fails."),
    ] = None,
    invariant: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(metavar="MODULE:CLASS", help="Also check this invariant. Can be repeated."),
    ] = None,
    mutant: Annotated[str, typer.Option(hidden=True)] = "",
    as_json: JsonFlag = False,
) -> None:
    """Search for scenarios that break an invariant: random load, faults, kills, resets and restarts by seed.

    A scenario that fails is shrunk to the shortest one that fails in the same way, and printed with its seed. Exit
    status 1 if one was found.
    """
    with requires("scenario"):
        from neuron_tools.scenario.search import command

    plan = command.SearchPlan(scenario, minutes, seed, out, tuple(invariant or ()), mutant, as_json)
    raise typer.Exit(command.run(plan))


@app.command(name="list")
def list_library() -> None:
    """List the scenarios of the library."""
    with requires("scenario"):
        from neuron_tools.scenario import command

    typer.echo(command.describe_library())
