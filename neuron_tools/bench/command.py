"""Process the options of ``neuron-bench``."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from neuron_console import exit_codes
from neuron_tools.bench.networks import Networks
from neuron_tools.bench.setups import ClockKind, Setup, Wanted, parse_counts, setups_of
from neuron_tools.bench.sweep import Run, sweep
from runtime_core.driver.node import open_or_set_up
from runtime_core.driver.paths import INSTANCE_TYPE_VARIABLE
from runtime_core.engine.timing.parameters import INTERVAL_RATIO
from runtime_core.errors import UsageError
from runtime_core.instance import DEFAULT_INSTANCE_TYPE, INSTANCE_TYPES, instance_type


class Request(NamedTuple):
    """Options of the command line."""

    model: Path
    batch: str | None
    cores: str | None
    models: str | None
    workers: int
    pipeline: str | None
    rate: float | None
    duration: float | None
    instance_type: str | None
    clock: ClockKind
    plot: Path | None
    as_csv: bool
    as_json: bool
    client_batch: int | None = None
    data_parallel: bool = False
    jitter: bool = True
    seed: int = 0


def bench_command(request: Request) -> None:
    """Measure the requested setups and print the results.

    Raises:
        UsageError: the options contradict each other.
        NeuronError: the model or the node cannot be used.
    """
    _check(request)
    # Temporary nodes are removed at exit.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    networks = Networks(request.model)
    own_node = request.clock is ClockKind.VIRTUAL or request.instance_type is not None
    setups = _setups(request, networks, _type_name(request, own_node))
    run = Run(request.clock, request.duration, request.rate, own_node, request.jitter, request.seed)
    with progress(len(setups)) as tell:
        results = sweep(networks, setups, run, tell)
    from neuron_tools.bench import report

    if request.plot is not None:
        from neuron_tools.bench.figure import save_figure

        save_figure(request.plot, request.model.name, results)
    if request.as_json:
        print(report.as_json(request.model.name, results))
    elif request.as_csv:
        print(report.as_csv(results))
    else:
        from rich.console import Console

        report.print_report(request.model.name, results, Console())


class Question(NamedTuple):
    """Options of ``--advise``, except the rate."""

    p99: str | None
    max_instances: int


BATCHES = "1,2,4,8,16,32"
PIPELINES = "1,2,4,8,16"


def advise_command(request: Request, question: Question) -> int:
    """Find the cheapest setup and print it with the runner-up; return the exit status: 1 if no setup serves the demand.

    Raises:
        UsageError: the options contradict each other.
        NeuronError: the model cannot be used.
    """
    from neuron_tools.bench.advise import Space, search
    from neuron_tools.bench.demand import Demand

    _check(request)
    if request.rate is None or question.p99 is None:
        raise UsageError("--advise requires --rate and --p99", mend="add for example --rate 3000 --p99 20ms")
    found_out = {
        "--cores": request.cores,
        "--models": request.models,
        "--duration": request.duration,
        "--client-batch": request.client_batch,
        "--data-parallel": request.data_parallel or None,
    }
    for option, value in found_out.items():
        if value is not None:
            raise UsageError(f"{option} cannot be used with --advise", mend="omit it")
    if request.clock is not ClockKind.VIRTUAL or request.as_csv or request.plot is not None:
        raise UsageError("--advise cannot be used with --clock real, --csv or --plot", mend="omit them")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    demand = Demand(request.rate, parse_time_ns(question.p99), request.seed, request.jitter, INTERVAL_RATIO)
    networks = Networks(request.model)
    batches, pipelines = parse_counts(request.batch or BATCHES, "--batch"), _pipelines(request)
    if networks.fixed:
        batch, cores = networks.fixed_shape()
        batches, pipelines = (batch,), (cores,)
    elif request.batch is None:
        batches = networks.possible(batches)
    types = tuple(INSTANCE_TYPES.values()) if request.instance_type is None else (instance_type(request.instance_type),)
    space = Space(batches, pipelines, types, question.max_instances)
    with progress(len(space.offers()) * len(space.shapes)) as tell:
        found = search(networks, demand, space, tell)
    from neuron_tools.bench import advice_report

    if request.as_json:
        print(advice_report.as_json(request.model.name, demand, found))
    else:
        from rich.console import Console

        advice_report.print_advice(request.model.name, demand, found, Console())
    return exit_codes.OK if advice_report.serving(found) else exit_codes.FAILURE


def _pipelines(request: Request) -> tuple[int, ...]:
    return parse_counts(request.pipeline or PIPELINES, "--pipeline")


_NANOSECONDS = {"us": 1e3, "ms": 1e6, "s": 1e9}


def parse_time_ns(text: str) -> int:
    """Return the nanoseconds of a time like ``20ms``, ``1.5s`` or ``800us``.

    Raises:
        UsageError: the text is not such a time.
    """
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(us|ms|s)", text.strip(), re.ASCII)
    time_ns = round(float(found[1]) * _NANOSECONDS[found[2]]) if found else 0
    if not 0 < time_ns <= 3600 * 10**9:
        raise UsageError("expected a time of at most an hour, like 20ms", where=f"--p99 {text!r}")
    return time_ns


def _check(request: Request) -> None:
    if request.as_csv and request.as_json:
        raise UsageError("--csv and --json", mend="choose one")
    if request.plot is not None and request.plot.suffix.lower() != ".svg":
        raise UsageError("a plot is an SVG file: expected a name that ends in .svg", where=f"--plot {request.plot}")
    if request.plot is not None and not request.plot.parent.is_dir():
        raise UsageError(f"folder {request.plot.parent} not found", where=f"--plot {request.plot}")


def _type_name(request: Request, own_node: bool) -> str:
    if own_node:
        return request.instance_type or os.environ.get(INSTANCE_TYPE_VARIABLE) or DEFAULT_INSTANCE_TYPE
    store = open_or_set_up()
    try:
        return store.size.name
    finally:
        store.close()


def _setups(request: Request, networks: Networks, type_name: str) -> list[Setup]:
    pipelines = parse_counts(request.pipeline or "1", "--pipeline")
    batches = parse_counts(request.batch, "--batch") if request.batch is not None else None
    if networks.fixed:
        batch, cores = networks.fixed_shape()
        pipelines = (cores,) if request.pipeline is None else pipelines
        batches = batches or (batch,)
    wanted = Wanted(
        batches or (networks.own_batch(),),
        pipelines,
        None if request.cores is None else parse_counts(request.cores, "--cores"),
        None if request.models is None else parse_counts(request.models, "--models"),
        request.workers,
        request.client_batch,
        request.data_parallel,
    )
    return setups_of(wanted, type_name)


@contextlib.contextmanager
def progress(total: int) -> Iterator[Callable[[int, str], None]]:
    """Show a progress bar if stderr is a terminal; yield the function that updates it."""
    if not sys.stderr.isatty():
        yield lambda done, doing: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done, doing: bar.update(task, completed=done, description=doing)
