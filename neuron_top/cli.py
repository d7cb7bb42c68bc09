"""neuron-top: the screen an operator keeps open."""

from __future__ import annotations

import enum
from typing import Annotated, Optional

import typer

from neuron_tools.console import examples_epilog, new_app, run, show_version

EXAMPLES = """neuron-top
neuron-top --interval 0.5
neuron-top --view processes
neuron-top --once"""


class ViewName(enum.Enum):
    """The views of the screen; spelled out here, for their own table loads Textual."""

    OVERVIEW = "overview"
    CORES = "cores"
    HISTORY = "history"
    PROCESSES = "processes"
    MODELS = "models"
    TOPOLOGY = "topology"
    EVENTS = "events"


app = new_app("Watch NeuronCores, vCPUs, memory and models of this instance, live.")


@app.command(epilog=examples_epilog(EXAMPLES))
def top(
    interval: Annotated[float, typer.Option(min=0.05, max=3600.0, help="Seconds between two looks.")] = 1.0,
    once: Annotated[bool, typer.Option(help="Print one frame and end.")] = False,
    source: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(help="sim, sysfs or sysfs:ROOT; default: a real node, else the simulated one."),
    ] = None,
    view: Annotated[
        Optional[ViewName],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(help="The view to begin with; default: the last one."),
    ] = None,
    plain: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII characters alone.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Watch NeuronCores, vCPUs, memory and models of this instance, live."""
    from neuron_top.glyphs import ASCII, cleaner, terminal_glyphs
    from runtime_core.telemetry import open_source

    opened = open_source(source)
    glyphs = ASCII if plain else terminal_glyphs()
    if once:
        from neuron_top.once import print_once

        print_once(opened, interval, glyphs)
        return
    from neuron_top.app import NeuronTop
    from neuron_top.looks import SourceLook
    from neuron_top.settings import load_settings, save_settings, settings_path

    path = settings_path()
    settings = load_settings(path)
    if view is not None:
        settings = settings._replace(view=view.value)
    left = NeuronTop(SourceLook(opened, cleaner(glyphs)), interval, settings, glyphs).run()
    if left is not None:
        save_settings(path, left)


def main() -> None:
    """Entry point of the console script."""
    run(app)
