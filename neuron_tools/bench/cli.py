"""neuron-bench: measure a model on Inf1, or find the cheapest instance for it."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import JsonFlag, VersionFlag, examples_epilog, new_app, run
from neuron_tools.bench.setups import ClockKind

app = new_app("Measure throughput, latency and cost of a model on a simulated Inf1 instance.")


@app.command(
    epilog=examples_epilog("""neuron-bench resnet50.onnx --batch 1,2,4,8 --cores 1,4
neuron-bench bert.onnx --batch 6 --models 4 --workers 2 --instance-type inf1.xlarge
neuron-bench bert.onnx --batch 1 --pipeline 1,4 --cores 16 --plot bert.svg
neuron-bench resnet50.onnx --batch 5 --models 4 --client-batch 20 --data-parallel
neuron-bench resnet50.neff --cores 4 --clock real --duration 30 --json
neuron-bench bert.onnx --advise --p99 20ms --rate 3000""")
)
def bench(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A NEFF file, or an ONNX file to compile.")],
    batch: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(metavar="LIST", help="Samples per execution, like 1,2,4,8; default: the model's own."),
    ] = None,
    cores: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="LIST", help="NeuronCores to use, like 1,4; default: as many as the copies need."),
    ] = None,
    models: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="LIST", help="Copies of the model, one per core or pipeline; default: as many as fit."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=1000, help="Clients of each copy; with --data-parallel, calls in flight.")
    ] = 1,
    client_batch: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=1,
            max=100_000,
            help="Samples of a client's request, split over executions that start together. Default: --batch; with "
            "--data-parallel, --batch times --models.",
        ),
    ] = None,
    data_parallel: Annotated[
        bool, typer.Option("--data-parallel", help="Split each request over all copies instead of sending it to one.")
    ] = False,
    pipeline: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="LIST", help="NeuronCores that each copy is spread over; default: 1."),
    ] = None,
    rate: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            min=1e-6, max=1e7, help="Samples per second that arrive; default: every client sends requests back to back."
        ),
    ] = None,
    duration: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            metavar="SECONDS",
            min=1e-6,
            max=1e6,
            help="Length of each measurement. Default: 10, longer for a slow model.",
        ),
    ] = None,
    instance_type: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="inf1.xlarge, inf1.2xlarge, inf1.6xlarge or inf1.24xlarge. Default: inf1.6xlarge; with --clock real, "
            "the node of $NEURON_SIM_ROOT."
        ),
    ] = None,
    clock: Annotated[
        ClockKind, typer.Option(help="The wall clock, or a virtual clock as fast as the machine allows.")
    ] = ClockKind.VIRTUAL,
    advise: Annotated[
        bool, typer.Option("--advise", help="Find the cheapest setup that serves --rate within --p99.")
    ] = False,
    p99: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="TIME", help="With --advise: the time limit for 99 % of the samples, like 20ms."),
    ] = None,
    max_instances: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=1, max=1000, help="With --advise: consider up to this many instances of a size.", show_default="1"
        ),
    ] = None,
    jitter: Annotated[
        bool, typer.Option("--jitter/--no-jitter", help="Vary execution times as on real hosts and DMA.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the jitter and of random arrivals.")] = 0,
    plot: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="FILE.svg", help="Also write a plot of throughput against latency."),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: JsonFlag = False,
    version: VersionFlag = False,
) -> None:
    """Measure throughput, latency and cost of a model on a simulated Inf1 instance.

    Executions take the time that the chip would take. Results are not computed.
    """
    from neuron_tools.bench.command import Question, Request, advise_command, bench_command

    request = Request(
        model,
        batch,
        cores,
        models,
        workers,
        pipeline,
        rate,
        duration,
        instance_type,
        clock,
        plot,
        as_csv,
        as_json,
        client_batch,
        data_parallel,
        jitter,
        seed,
    )
    if advise:
        raise typer.Exit(advise_command(request, Question(p99, max_instances or 1)))
    for option, value in (("--p99", p99), ("--max-instances", max_instances)):
        if value is not None:
            raise typer.BadParameter(f"{option} requires --advise")
    bench_command(request)


def main() -> None:
    """Entry point of the console script."""
    run(app)
