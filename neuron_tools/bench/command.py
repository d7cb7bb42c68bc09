"""What ``neuron-bench`` does with its options."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from neuron_tools.bench.networks import Networks
from neuron_tools.bench.setups import ClockKind, Setup, Wanted, parse_counts, setups_of
from neuron_tools.bench.sweep import Run, sweep
from runtime_core.driver.node import open_or_set_up
from runtime_core.driver.paths import INSTANCE_TYPE_VARIABLE
from runtime_core.errors import UsageError
from runtime_core.instance import DEFAULT_INSTANCE_TYPE


class Request(NamedTuple):
    """The command line."""

    model: Path
    batch: str | None
    cores: str | None
    models: str | None
    workers: int
    pipeline: str
    rate: float | None
    duration: float | None
    instance_type: str | None
    clock: ClockKind
    plot: Path | None
    as_csv: bool
    as_json: bool


def bench_command(request: Request) -> None:
    """Measure what is asked for and print it.

    Raises:
        UsageError: options that make no sense together.
        NeuronError: the model or the node can't be used.
    """
    _check(request)
    networks = Networks(request.model)
    own_node = request.clock is ClockKind.VIRTUAL or request.instance_type is not None
    setups = _setups(request, networks, _type_name(request, own_node))
    run = Run(request.clock, request.duration, request.rate, own_node)
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


def _check(request: Request) -> None:
    if request.as_csv and request.as_json:
        raise UsageError("--csv and --json: choose one")
    if request.rate is not None and not 0 < request.rate <= 1e7:
        raise UsageError(f"--rate {request.rate:g}: expected samples a second, more than 0")
    if request.duration is not None and not 0 < request.duration <= 1e6:
        raise UsageError(f"--duration {request.duration:g}: expected seconds, more than 0")
    if request.plot is not None and not request.plot.parent.is_dir():
        raise UsageError(f"--plot {request.plot}: there is no folder {request.plot.parent}")


def _type_name(request: Request, own_node: bool) -> str:
    if own_node:
        return request.instance_type or os.environ.get(INSTANCE_TYPE_VARIABLE) or DEFAULT_INSTANCE_TYPE
    store = open_or_set_up()
    try:
        return store.size.name
    finally:
        store.close()


def _setups(request: Request, networks: Networks, type_name: str) -> list[Setup]:
    pipelines = parse_counts(request.pipeline, "--pipeline")
    batches = parse_counts(request.batch, "--batch") if request.batch is not None else None
    if networks.fixed:
        batch, cores = networks.fixed_shape()
        # A NEFF was compiled for its pipeline; --pipeline 1 is nobody's wish then.
        pipelines = (cores,) if pipelines == (1,) else pipelines
        batches = batches or (batch,)
    wanted = Wanted(
        batches or (networks.own_batch(),),
        pipelines,
        None if request.cores is None else parse_counts(request.cores, "--cores"),
        None if request.models is None else parse_counts(request.models, "--models"),
        request.workers,
    )
    return setups_of(wanted, type_name)


@contextlib.contextmanager
def progress(total: int) -> Iterator[Callable[[int, str], None]]:
    """A progress bar on a terminal's stderr, nothing elsewhere; yields what tells it how far things are."""
    if not sys.stderr.isatty():
        yield lambda done, doing: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done, doing: bar.update(task, completed=done, description=doing)
