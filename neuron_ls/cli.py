"""neuron-ls: list the Neuron Devices of this instance and the processes that use them."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from neuron_console.running import run_to_its_end
from neuron_ls.listing import View, show

if TYPE_CHECKING:
    import typer

DEFAULT_WATCH_SECONDS = "2"

_FLAGS = {
    "--wide": "wide",
    "-w": "wide",
    "--show-all-procs": "show_all",
    "-a": "show_all",
    "--topology": "topology",
    "-t": "topology",
    "--json-output": "as_json",
    "-j": "as_json",
}


def plain_view(arguments: Sequence[str]) -> View | None:
    """Return the view for a command line that has only flags; ``None`` for others, which need a parser.

    Importing Typer takes longer than everything else in neuron-ls.
    """
    fields = [_FLAGS.get(argument) for argument in arguments]
    return None if None in fields else View(**{field: True for field in fields if field is not None})


def with_watch_seconds(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with a number after ``--watch``, because Typer does not support optional values."""
    result: list[str] = []
    for position, argument in enumerate(arguments):
        result.append(argument)
        following = arguments[position + 1] if position + 1 < len(arguments) else "-"
        if argument == "--watch" and following.startswith("-") and not following[1:2].isdigit():
            result.append(DEFAULT_WATCH_SECONDS)
    return result


def __getattr__(name: str) -> typer.Typer:
    """Import ``app``, the Typer application, on first access. Manual pages are generated from it."""
    if name != "app":
        raise AttributeError(name)
    from neuron_ls.options import app

    return app


def main() -> None:
    """Entry point of the console script."""
    view = plain_view(sys.argv[1:])
    # Shell completion runs the command without arguments.
    if view is not None and not any(name.endswith("_COMPLETE") for name in os.environ):
        run_to_its_end(lambda: show(view, None, None))
    from neuron_console.command import run
    from neuron_ls.options import app

    sys.argv[1:] = with_watch_seconds(sys.argv[1:])
    run(app)
