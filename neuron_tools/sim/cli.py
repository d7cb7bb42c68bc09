"""neuron-sim: set up, load and take down a simulated Inf1 node."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import JsonFlag, TrustNodeFlag, VersionFlag, examples_epilog, new_app, run
from neuron_tools.check_agent import cli as check_agent_cli
from neuron_tools.fleet import cli as fleet_cli
from neuron_tools.install import DEFAULT_PREFIX
from neuron_tools.scenario import cli as scenario_cli
from neuron_tools.sim import fault_cli
from neuron_tools.sweep import cli as sweep_cli

app = new_app(
    "Create, load and remove a simulated Inf1 node. The node is stored in $NEURON_SIM_ROOT.",
    """neuron-sim up --instance-type inf1.24xlarge
neuron-sim run resnet50.onnx --visible-cores 0-3 --threads 4 --duration 30 --tag web
neuron-sim sysfs --export /tmp/neuron --follow 1
neuron-sim mount /tmp/neuron-sysfs
neuron-sim reset 0 --force
neuron-sim fault inject core-hang --core 3 --for 30
neuron-sim scenario run core-hung
neuron-sim fleet up fleet.yaml
neuron-sim sweep scenario core-hung --seeds 0-199
neuron-sim record incident.nrec --duration 600
neuron-sim replay incident.nrec --speed 10 --seek 5:00
neuron-sim check-agent -- ./my-agent
neuron-sim install --prefix /opt/aws/neuron --bake-root
neuron-sim demo
neuron-sim down""",
)

_RUN_EXAMPLES = """neuron-sim run resnet50.onnx --visible-cores 0-3 --threads 4 --duration 30 --tag web
neuron-sim run bert.neff --num-cores 2 --rate 50 --json
neuron-sim run resnet50.neff --processes 4 --threads 4 --no-numerics"""

app.add_typer(fault_cli.app, name="fault")
app.add_typer(scenario_cli.app, name="scenario")
app.add_typer(fleet_cli.app, name="fleet")
app.add_typer(sweep_cli.app, name="sweep")
app.command(name="check-agent", epilog=check_agent_cli.EPILOG)(check_agent_cli.check_agent)


@app.callback()
def main_options(
    version: VersionFlag = False,
) -> None:
    """Options of neuron-sim itself."""


@app.command()
def up(
    instance_type: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(
            help="inf1.xlarge, inf1.2xlarge, inf1.6xlarge or inf1.24xlarge.", envvar="NEURON_SIM_INSTANCE_TYPE"
        ),
    ] = None,
    instance_id: Annotated[Optional[str], typer.Option(help="EC2 instance id to show.")] = None,  # noqa: UP045
    seed: Annotated[int, typer.Option(min=0, help="Seed of the node's random choices.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Create a node; an existing node is left unchanged."""
    from neuron_tools.sim.node_commands import describe_up

    typer.echo(describe_up(instance_type, instance_id, seed, as_json=as_json))


@app.command()
def down(
    force: Annotated[bool, typer.Option(help="Remove the node even if runtimes use it or it is damaged.")] = False,
) -> None:
    """Remove the node and its files."""
    from runtime_core.driver.node import take_down

    take_down(force=force)


@app.command()
def status(as_json: JsonFlag = False) -> None:
    """Show the node and the processes that use it."""
    from neuron_tools.sim.node_commands import describe_status

    typer.echo(describe_status(as_json=as_json))


@app.command(name="run", epilog=examples_epilog(_RUN_EXAMPLES))
def run_command(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="NEFF files, or ONNX files to compile.")],
    visible_cores: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="NeuronCores to use: 0, 0-3 or 1,4-5.", envvar="NEURON_RT_VISIBLE_CORES"),
    ] = None,
    num_cores: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Number of NeuronCores to use, whichever are free.", envvar="NEURON_RT_NUM_CORES"),
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, help="Divide the NeuronCores among this number of processes.", show_default=True)
    ] = 1,
    threads: Annotated[int, typer.Option(min=1, max=1000, help="Number of threads that execute, in each process.")] = 1,
    rate: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            min=1e-6,
            max=1e6,
            help="Executions per second, over all threads and processes. Default: as fast as possible.",
        ),
    ] = None,
    duration: Annotated[float, typer.Option(min=0, max=1e9, help="Seconds to run; 0 runs until Ctrl-C.")] = 10.0,
    tag: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Name of the process in the tools (the tag).", envvar="NEURON_PROCESS_TAG"),
    ] = None,
    numerics: Annotated[
        bool, typer.Option("--numerics/--no-numerics", help="Compute results, or only model the time.")
    ] = True,
    trust_node: TrustNodeFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Run an application: load each MODEL on the cores and execute it.

    With --processes the summary is of all processes together. Exit status 1 if no execution succeeded, or a process
    ended without a result.
    """
    from neuron_tools.sim.load import LoadPlan
    from neuron_tools.sim.run_command import run_application

    plan = LoadPlan(tuple(models), visible_cores, num_cores, threads, rate, duration, tag, numerics, processes)
    raise typer.Exit(run_application(plan, as_json=as_json))


@app.command()
def sysfs(
    export: Annotated[Path, typer.Option(metavar="DIR", help="Directory to write the tree to.")],
    follow: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(metavar="SECONDS", min=0.05, max=3600, help="Update the tree every SECONDS, until Ctrl-C."),
    ] = None,
) -> None:
    """Write the node as the driver's sysfs tree, for programs that read sysfs."""
    from neuron_tools.sim import sysfs_command

    sysfs_command.export(export, follow)


@app.command()
def mount(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="An empty directory.")],
) -> None:
    """Serve the node as the driver's sysfs tree with FUSE, live, until Ctrl-C."""
    from neuron_tools.sim import mount_command

    mount_command.mount(directory)


@app.command()
def reset(
    device: Annotated[int, typer.Argument(min=0, help="Index of the Neuron Device.")],
    force: Annotated[
        bool, typer.Option(help="Reset even if a process uses its cores; the executions of that process then fail.")
    ] = False,
) -> None:
    """Reset a Neuron Device. Fails while a process uses its cores, unless --force is given."""
    from neuron_tools.sim.node_commands import reset_by_number

    typer.echo(reset_by_number(device, force=force))


@app.command()
def record(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The recording to write.")],
    source: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Node to read: sim, sysfs, sysfs:ROOT or replay:FILE. Default: a real node, else the simulated one."
        ),
    ] = None,
    interval: Annotated[float, typer.Option(min=0.05, max=3600.0, help="Seconds between snapshots.")] = 1.0,
    duration: Annotated[float, typer.Option(min=0.0, max=1e9, help="Seconds to record; 0 records until Ctrl-C.")] = 0.0,
    host: Annotated[
        bool, typer.Option("--host/--no-host", help="Also record the vCPUs and memory of the host.")
    ] = True,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Record snapshots of the node, to replay them later."""
    from neuron_tools.sim import recording_commands

    plan = recording_commands.RecordPlan(file, source, interval, duration, overwrite, host)
    typer.echo(recording_commands.record(plan, as_json=as_json))


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recording.")],
    speed: Annotated[float, typer.Option(min=1e-6, max=1e6, help="Speed relative to the recording.")] = 1.0,
    seek: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="T", help="Start at: seconds, HH:MM:SS from its start, or a time like 2026-11-21T14:00."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Create a node that replays a recording for every viewer; 'neuron-sim down' stops it."""
    from neuron_tools.sim import recording_commands

    typer.echo(recording_commands.replay(file, speed, seek, as_json=as_json))


@app.command()
def install(
    prefix: Annotated[Path, typer.Option(metavar="DIR", help="Folder for bin, lib and include.")] = DEFAULT_PREFIX,
    bake_root: Annotated[
        bool,
        typer.Option("--bake-root", help="The commands use this node's root unless NEURON_SIM_ROOT is set."),
    ] = False,
    uninstall: Annotated[
        bool, typer.Option("--uninstall", help="Remove what was installed, and nothing else.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Link the commands to where other programs look for them (Ray, vLLM and AWS's samples use /opt/aws/neuron)."""
    from neuron_tools.install import report

    typer.echo(report.installed(prefix, bake_root=bake_root, uninstall=uninstall, as_json=as_json))


@app.command()
def demo(
    duration: Annotated[
        float, typer.Option(min=0, max=86_400, help="Seconds that the applications run without a terminal.")
    ] = 20.0,
) -> None:
    """Compile two networks, run three applications on them, and watch them in neuron-top."""
    from neuron_tools.sim.demo import run_demo

    raise typer.Exit(run_demo(duration))


def main() -> None:
    """Entry point of the console script."""
    run(app)
