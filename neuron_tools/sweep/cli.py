"""``neuron-sim sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import JsonFlag, new_app
from neuron_console.extras import requires
from neuron_tools.sweep.options import Choice, EngineOption, WorkersOption

app = new_app(
    "Run many independent jobs: seeds of scenarios and fleets, grids of neuron-bench, on this machine or on a Dask "
    "cluster. The results are the same on any engine.",
    """neuron-sim sweep scenario core-hung --seeds 0-199
neuron-sim sweep scenario mine.yaml --seeds 0-199 --engine dask://scheduler:8786 --out mine.ndjson
neuron-sim sweep search mine.yaml --seeds 0-999 --workers 4
neuron-sim sweep fleet fleet.yaml --seeds 0-9 --days 7
neuron-sim sweep bench resnet50.onnx --batch 1,2,4,8 --cores 1,4 --instance-type inf1.xlarge,inf1.6xlarge
neuron-sim sweep advise resnet50.onnx --rate 1000,2000,4000 --p99 10ms,20ms""",
)
Scenario = Annotated[str, typer.Argument(metavar="FILE|NAME", help="Scenario file, or name from the library.")]
Seeds = Annotated[str, typer.Option(metavar="LIST", help="Seeds, like 0-199 or 1,5-9.")]
Out = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
    typer.Option(
        metavar="FILE",
        help="Write results as NDJSON, as they come. A cancelled sweep continues from the file.",
    ),
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A NEFF file, or an ONNX file to compile.")]
Numbers = Optional[str]  # noqa: UP045


@app.command()
def scenario(
    file: Scenario,
    seeds: Seeds = "0-9",
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    out: Out = None,
    as_json: JsonFlag = False,
) -> None:
    """Run a scenario under many seeds. Exit status 1 if an expectation is not met."""
    with requires("scenario"):
        from neuron_tools.sweep import command, plan

    options = command.SweepOptions(Choice(engine, workers), out, as_json)
    raise typer.Exit(command.run(plan.scenario_plan(file, seeds), options))


@app.command()
def search(
    file: Scenario,
    seeds: Seeds = "0-99",
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    out: Out = None,
    as_json: JsonFlag = False,
) -> None:
    """Run the random scenarios of 'neuron-sim scenario search' by seed. Exit status 1 if one breaks an invariant.

    'neuron-sim scenario search FILE --seed N' shrinks the scenario of a seed.
    """
    with requires("scenario"):
        from neuron_tools.sweep import command, plan

    options = command.SweepOptions(Choice(engine, workers), out, as_json)
    raise typer.Exit(command.run(plan.scenario_plan(file, seeds, search=True), options))


@app.command()
def fleet(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Fleet files.")],
    seeds: Annotated[
        Numbers, typer.Option(metavar="LIST", help="Seeds, like 0-9. Default: those of the files.")
    ] = None,
    days: Annotated[float, typer.Option(min=0.0, max=400.0, help="Days of virtual time.")] = 7.0,
    step: Annotated[str, typer.Option(metavar="DURATION", help="Time between two scrapes.")] = "1m",
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    out: Out = None,
    as_json: JsonFlag = False,
) -> None:
    """Run fleets under many seeds, each as 'neuron-sim fleet run'. Exit status 1 if an expectation is not met."""
    with requires("scenario"), requires("plot"):
        from neuron_tools.sweep import command, plan

    options = command.SweepOptions(Choice(engine, workers), out, as_json)
    raise typer.Exit(command.run(plan.fleet_plan(files, seeds, days, step), options))


@app.command()
def bench(
    model: Model,
    batch: Annotated[Numbers, typer.Option(metavar="LIST", help="Samples per execution; default: the model's.")] = None,
    pipeline: Annotated[Numbers, typer.Option(metavar="LIST", help="NeuronCores of each copy; default: 1.")] = None,
    cores: Annotated[Numbers, typer.Option(metavar="LIST", help="NeuronCores to use.")] = None,
    models: Annotated[Numbers, typer.Option(metavar="LIST", help="Copies of the model.")] = None,
    clients: Annotated[str, typer.Option(metavar="LIST", help="Clients of each copy.")] = "1",
    rate: Annotated[Numbers, typer.Option(metavar="LIST", help="Samples per second; default: back to back.")] = None,
    instance_type: Annotated[str, typer.Option(metavar="LIST", help="Instance sizes.")] = "inf1.6xlarge",
    duration: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            metavar="SECONDS", min=0.001, max=1e6, help="Length of each measurement. Default: as neuron-bench."
        ),
    ] = None,
    seeds: Seeds = "0",
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    out: Out = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure a model in every combination of the options under the virtual clock, as neuron-bench does."""
    from neuron_tools.sweep import command, plan

    grid = plan.BenchGrid(batch, pipeline, cores, models, clients, rate, instance_type, duration, seeds)
    options = command.SweepOptions(Choice(engine, workers), out, as_json)
    raise typer.Exit(command.run(plan.bench_plan(model, grid), options))


@app.command()
def advise(
    model: Model,
    rate: Annotated[str, typer.Option(metavar="LIST", help="Samples per second, like 1000,2000.")],
    p99: Annotated[str, typer.Option(metavar="LIST", help="Time limits for 99 % of the samples, like 10ms,20ms.")],
    batch: Annotated[Numbers, typer.Option(metavar="LIST", help="Samples per execution to consider.")] = None,
    pipeline: Annotated[Numbers, typer.Option(metavar="LIST", help="NeuronCores per copy to consider.")] = None,
    instance_type: Annotated[Numbers, typer.Option(metavar="LIST", help="Instance sizes; default: all.")] = None,
    max_instances: Annotated[int, typer.Option(min=1, max=1000, help="Consider up to this many of a size.")] = 1,
    seeds: Seeds = "0",
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    out: Out = None,
    as_json: JsonFlag = False,
) -> None:
    """Find the cheapest setup for every rate and limit, as 'neuron-bench --advise' does.

    Exit status 1 if no setup serves one of them.
    """
    from neuron_tools.sweep import command, plan

    grid = plan.AdviseGrid(rate, p99, batch, pipeline, instance_type, max_instances, seeds)
    options = command.SweepOptions(Choice(engine, workers), out, as_json)
    raise typer.Exit(command.run(plan.advise_plan(model, grid), options))
