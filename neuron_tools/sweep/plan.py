"""Make the jobs of a sweep from its command line."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from neuron_tools.sweep.files import input_file, model_files
from neuron_tools.sweep.job import Job
from neuron_tools.sweep.kinds import AdviseJob, BenchJob, ScenarioJob
from runtime_core.errors import UsageError
from runtime_core.instance import INSTANCE_TYPES, instance_type
from runtime_core.ranges import parse_ranges

if TYPE_CHECKING:
    from neuron_tools.bench.networks import Networks

_MOST_JOBS = 100_000
_EPOCH = "1970-01-01T00:00:00Z"
"""A fixed date, so that equal sweeps have equal jobs. No result depends on it."""


class Plan(NamedTuple):
    """A sweep: its kind, a name, its jobs, and a label for each job."""

    kind: str
    name: str
    jobs: list[Job]
    labels: list[Mapping[str, Any]]


def _plan(kind: str, name: str, made: Sequence[tuple[Mapping[str, Any], msgspec.Struct]]) -> Plan:
    if not made:
        raise UsageError("the sweep has no jobs")
    if len(made) > _MOST_JOBS:
        raise UsageError(f"a sweep has at most {_MOST_JOBS} jobs, not {len(made)}")
    jobs = [Job(n, kind, msgspec.Raw(msgspec.json.encode(arguments))) for n, (_, arguments) in enumerate(made)]
    return Plan(kind, name, jobs, [label for label, _ in made])


def parse_seeds(text: str) -> tuple[int, ...]:
    """Parse a list of seeds such as ``0-199``.

    Raises:
        UsageError: the list is invalid.
    """
    try:
        return parse_ranges(text)
    except ValueError as error:
        raise UsageError(str(error), where="--seeds") from None


def scenario_plan(name: str, seeds: str, *, search: bool = False) -> Plan:
    """Plan a scenario with many seeds; ``search``: the random scenario of each seed.

    Raises:
        UsageError: the file or the seeds are invalid.
        NeuronError: a model cannot be read.
    """
    from neuron_tools.scenario.command import find
    from neuron_tools.scenario.load import load_scenario, read_scenario

    path = find(name)
    scenario = load_scenario(path)
    text, folder = read_scenario(path).decode(), str(path.absolute().parent)
    files = model_files(scenario.models.values(), path.parent)
    traces = sorted({a.arrivals.trace for a in scenario.applications if a.arrivals.trace is not None})
    files += tuple(input_file(path.parent / trace) for trace in traces)
    made = [({"seed": seed}, ScenarioJob(text, folder, seed, files)) for seed in parse_seeds(seeds)]
    return _plan("search" if search else "scenario", scenario.scenario, made)


def fleet_plan(files: Sequence[Path], seeds: str | None, days: float, step: str) -> Plan:
    """Plan fleets with many seeds; ``seeds``: ``None`` for the seeds in the files.

    Raises:
        UsageError: a file or an option is invalid.
    """
    from neuron_tools.fleet.run.command import RunPlan, spec_of

    made: list[tuple[Mapping[str, Any], msgspec.Struct]] = []
    for file in files:
        spec, _ = spec_of(RunPlan(file, days, Path(), step, None, _EPOCH))
        for seed in (spec.seed,) if seeds is None else parse_seeds(seeds):
            made.append(({"file": str(file), "seed": seed}, msgspec.structs.replace(spec, seed=seed)))
    return _plan("fleet", ", ".join(map(str, files)), made)


class BenchGrid(NamedTuple):
    """Options of ``neuron-bench``, each a list."""

    batch: str | None
    pipeline: str | None
    cores: str | None
    models: str | None
    workers: str
    rate: str | None
    instance_types: str
    seconds: float | None
    seeds: str


def bench_plan(model: Path, grid: BenchGrid) -> Plan:
    """Plan the measurement of a model in every combination of the options.

    Raises:
        UsageError: an option is invalid.
        NeuronError: the model cannot be read.
    """
    from neuron_tools.bench.networks import Networks
    from neuron_tools.bench.setups import Wanted, parse_counts, setups_of

    networks = Networks(model)
    batches, pipelines = _shapes(networks, grid.batch or "", grid.pipeline or "1")
    file = input_file(model)
    made: list[tuple[Mapping[str, Any], msgspec.Struct]] = []
    for name, workers, rate, seed in itertools.product(
        _types(grid.instance_types), parse_counts(grid.workers, "--clients"),
        _numbers(grid.rate, "--rate") if grid.rate else (None,), parse_seeds(grid.seeds),
    ):  # fmt: skip
        wanted = Wanted(
            batches, pipelines, parse_counts(grid.cores, "--cores") if grid.cores else None,
            parse_counts(grid.models, "--models") if grid.models else None, workers,
        )  # fmt: skip
        for setup in setups_of(wanted, name):
            job = BenchJob(
                file, name, setup.batch, setup.pipeline, setup.cores, setup.models, workers, rate, grid.seconds, seed
            )
            label = {
                "instance_type": name, "batch": job.batch, "pipeline": job.pipeline, "cores": job.cores,
                "models": job.models, "workers": workers, "rate_per_second": rate, "seed": seed,
            }  # fmt: skip
            made.append((label, job))
    return _plan("bench", model.name, made)


class AdviseGrid(NamedTuple):
    """Options of ``neuron-bench --advise``; rates and limits are lists."""

    rate: str
    p99: str
    batch: str | None
    pipeline: str | None
    instance_types: str | None
    max_instances: int
    seeds: str


def advise_plan(model: Path, grid: AdviseGrid) -> Plan:
    """Plan the search for the cheapest setup for every rate and limit.

    Raises:
        UsageError: an option is invalid.
        NeuronError: the model cannot be read.
    """
    from neuron_tools.bench.command import BATCHES, PIPELINES, parse_time_ns
    from neuron_tools.bench.networks import Networks

    networks = Networks(model)
    batches, pipelines = _shapes(networks, grid.batch or BATCHES, grid.pipeline or PIPELINES)
    types = tuple(INSTANCE_TYPES) if grid.instance_types is None else _types(grid.instance_types)
    file = input_file(model)
    made = [
        (
            {"rate_per_second": rate, "p99": limit, "seed": seed},
            AdviseJob(file, rate, parse_time_ns(limit), batches, pipelines, types, grid.max_instances, seed),
        )
        for rate, limit, seed in itertools.product(
            _numbers(grid.rate, "--rate"), [part.strip() for part in grid.p99.split(",")], parse_seeds(grid.seeds)
        )
    ]
    return _plan("advise", model.name, made)


def _shapes(networks: Networks, batch: str, pipeline: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return batches and pipelines. A NEFF has fixed ones; an empty ``batch`` means the batch of the ONNX file."""
    from neuron_tools.bench.setups import parse_counts

    if networks.fixed:
        own, cores = networks.fixed_shape()
        return (own,), (cores,)
    return parse_counts(batch or str(networks.own_batch()), "--batch"), parse_counts(pipeline, "--pipeline")


def _types(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(instance_type(part.strip()).name for part in text.split(",")))


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        numbers = tuple(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError:
        numbers = ()
    if not numbers or not all(0 < number <= 1e7 for number in numbers):
        raise UsageError("expected numbers above 0, up to 1e7, like 1000,2000", where=f"{option} {text!r}")
    return numbers
