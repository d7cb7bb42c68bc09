"""The kinds of jobs: the arguments and the result of each."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from neuron_tools.bench.networks import Networks
from neuron_tools.sweep.files import InputFile, check_files
from runtime_core.errors import NeuronError

if TYPE_CHECKING:
    from neuron_tools.scenario.schema import Scenario


class ScenarioJob(msgspec.Struct, frozen=True):
    """A scenario to run with a seed, or to search with a seed for a broken invariant.

    Attributes:
        text: content of the scenario file.
        folder: folder of its models.
        seed: seed of the run.
        files: the files that it reads.
    """

    text: str
    folder: str
    seed: int
    files: tuple[InputFile, ...] = ()


class BenchJob(msgspec.Struct, frozen=True):
    """A setup of ``neuron-bench`` under the virtual clock; the fields are its options."""

    model: InputFile
    instance_type: str
    batch: int
    pipeline: int
    cores: int
    models: int
    workers: int
    rate_per_second: float | None
    seconds: float | None
    seed: int


class AdviseJob(msgspec.Struct, frozen=True):
    """A run of ``neuron-bench --advise``; the fields are its options."""

    model: InputFile
    rate_per_second: float
    p99_ns: int
    batches: tuple[int, ...]
    pipelines: tuple[int, ...]
    instance_types: tuple[str, ...]
    max_instances: int
    seed: int


def run_scenario_job(arguments: bytes) -> bytes:
    """Run a scenario; the result is that of ``neuron-sim scenario run --json``.

    Raises:
        NeuronError: it cannot run.
    """
    from neuron_console.units import rounded
    from neuron_tools.scenario.monitor import shipped_rules
    from neuron_tools.scenario.report import as_facts
    from neuron_tools.scenario.run import run_scenario
    from neuron_tools.scenario.virtual_world import VirtualWorld

    job, scenario = _scenario_of(arguments)
    world = VirtualWorld(scenario, Path(job.folder), job.seed)
    try:
        return json.dumps(rounded(as_facts(run_scenario(scenario, world, shipped_rules())))).encode()
    finally:
        world.close()


def run_search_job(arguments: bytes) -> bytes:
    """Check the invariants in the random scenario of a seed. The result names the broken invariant, if any.

    Raises:
        NeuronError: it cannot run.
    """
    from neuron_tools.scenario.search.find import as_yaml
    from neuron_tools.scenario.search.generate import generate
    from neuron_tools.scenario.search.invariants import INVARIANTS
    from neuron_tools.scenario.search.trial import run_trial

    job, base = _scenario_of(arguments)
    scenario = generate(base, job.seed)
    failure = run_trial(scenario, Path(job.folder), job.seed, INVARIANTS)
    found = None if failure is None else {**failure._asdict(), "scenario": as_yaml(scenario)}
    return json.dumps({"failure": found}).encode()


def _scenario_of(arguments: bytes) -> tuple[ScenarioJob, Scenario]:
    from neuron_tools.scenario.load import parse_scenario

    job = msgspec.json.decode(arguments, type=ScenarioJob)
    check_files(job.files)
    return job, parse_scenario(job.text.encode(), Path(job.folder, "scenario.yaml"))


def run_bench_job(arguments: bytes) -> bytes:
    """Measure a setup. The result is a line of ``neuron-bench --json``, or an error for a setup that does not fit.

    Raises:
        NeuronError: the model cannot be read or compiled.
    """
    from neuron_tools.bench.setups import ClockKind, Setup
    from neuron_tools.bench.sweep import Run, measure
    from runtime_core.status import NrtError

    job = msgspec.json.decode(arguments, type=BenchJob)
    check_files([job.model])
    setup = Setup(job.instance_type, job.batch, job.pipeline, job.cores, job.models, job.workers)
    run = Run(ClockKind.VIRTUAL, job.seconds, job.rate_per_second, seed=job.seed)
    try:
        return msgspec.json.encode(measure(_networks(job.model), setup, run))
    except NrtError as error:
        raise NeuronError(str(error)) from None


def run_advise_job(arguments: bytes) -> bytes:
    """Find the cheapest setup; the result is that of ``neuron-bench --advise --json``.

    Raises:
        NeuronError: the model cannot be read or compiled.
    """
    from neuron_tools.bench import advice_report
    from neuron_tools.bench.advise import Space, search
    from neuron_tools.bench.demand import Demand
    from runtime_core.engine.timing.parameters import INTERVAL_RATIO
    from runtime_core.instance import instance_type

    job = msgspec.json.decode(arguments, type=AdviseJob)
    check_files([job.model])
    demand = Demand(job.rate_per_second, job.p99_ns, job.seed, jitter=True, margin=INTERVAL_RATIO)
    types = tuple(instance_type(name) for name in job.instance_types)
    found = search(
        _networks(job.model), demand, Space(job.batches, job.pipelines, types, job.max_instances),
        lambda _done, _doing: None,
    )  # fmt: skip
    return advice_report.as_json(Path(job.model.path).name, demand, found).encode()


@functools.lru_cache(1)
def _networks(model: InputFile) -> Networks:
    return Networks(Path(model.path))
