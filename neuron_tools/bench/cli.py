"""neuron-bench: measure a model on Inf1, or ask which instance serves it best."""

from __future__ import annotations

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
neuron-bench resnet50.neff --cores 4 --clock real --duration 30 --json
neuron-bench bert.onnx --advise --p99 20ms --rate 3000""")
)
def bench(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A NEFF file, or an ONNX file to compile.")],
    batch: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(metavar="LIST", help="Samples per execution, like 1,2,4,8. Default: that of the model."),
    ] = None,
    cores: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="LIST", help="NeuronCores to use, like 1,4. Default: as many as the copies need."),
    ] = None,
    models: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="LIST", help="Copies of the model, one per core or pipeline. Default: as many as fit."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=1000, help="Clients per copy.")] = 1,
    pipeline: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="LIST", help="NeuronCores that each copy is spread over. Default: 1."),
    ] = None,
    rate: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="Samples per second that arrive. Default: every client executes back to back."),
    ] = None,
    duration: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(metavar="SECONDS", help="Length of each measurement. Default: 10, longer for a slow model."),
    ] = None,
    instance_type: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="inf1.xlarge, inf1.2xlarge, inf1.6xlarge or inf1.24xlarge. Default: inf1.6xlarge; with --clock real, "
            "the node of $NEURON_SIM_ROOT."
        ),
    ] = None,
    clock: Annotated[
        ClockKind, typer.Option(help="Run in real time, or simulate as fast as possible.")
    ] = ClockKind.VIRTUAL,
    advise: Annotated[
        bool, typer.Option("--advise", help="Find the cheapest setup that serves --rate within --p99.")
    ] = False,
    p99: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="TIME", help="With --advise: latency limit for 99 % of the samples, like 20ms."),
    ] = None,
    max_instances: Annotated[
        int, typer.Option(min=1, max=1000, help="With --advise: the most instances of a size to consider.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="With --advise: seed of the random arrivals.")] = 0,
    plot: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="FILE.svg", help="Also plot throughput against latency."),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: JsonFlag = False,
    version: VersionFlag = False,
) -> None:
    """Measure throughput, latency and cost of a model on a simulated Inf1 instance.

    Executions take the modelled time of the chip; results are not computed.
    """
    from neuron_tools.bench.command import Question, Request, advise_command, bench_command

    request = Request(
        model, batch, cores, models, workers, pipeline, rate, duration, instance_type, clock, plot, as_csv, as_json
    )
    if advise:
        raise typer.Exit(advise_command(request, Question(p99, max_instances, seed)))
    if p99 is not None:
        raise typer.BadParameter("--p99 is for --advise")
    bench_command(request)


def main() -> None:
    """Entry point of the console script."""
    run(app)
