"""Common parts of commands with Typer: construction, usage errors, and the version."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from neuron_console import exit_codes
from neuron_console.extras import DISTRIBUTION
from neuron_console.running import command_name, run_to_its_end
from neuron_console.text import printable

if TYPE_CHECKING:
    from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption


def examples_epilog(examples: str) -> str:
    """The last part of the help: one example per line, printed unchanged."""
    # A \b line prevents the help formatter from re-flowing the following lines.
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in examples.splitlines())


def new_app(summary: str, examples: str | None = None) -> typer.Typer:
    """Create a Typer application with plain help and no traceback boxes.

    Args:
        summary: one paragraph on what the command does.
        examples: one example per line; an application with a single command passes them to that command instead.
    """
    return typer.Typer(
        help=summary,
        epilog=None if examples is None else examples_epilog(examples),
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def show_version(wanted: bool) -> None:
    """Callback of an eager ``--version`` option: print the version of the suite and exit."""
    if wanted:
        from importlib.metadata import version

        typer.echo(f"{command_name()} {version(DISTRIBUTION)}")
        raise typer.Exit


VersionFlag = Annotated[
    bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and exit.")
]


def _trust_node(wanted: bool) -> bool:
    """Callback of ``--trust-node``. Processes that the command starts trust the node too."""
    if wanted:
        os.environ["NEURON_SIM_TRUST_NODE"] = "1"
    return wanted


TrustNodeFlag = Annotated[
    bool,
    typer.Option(
        "--trust-node",
        callback=_trust_node,
        help="Use a simulated node that another user owns or may write. Also NEURON_SIM_TRUST_NODE=1.",
    ),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


# Depending on its version, Typer includes a copy of click or imports it; the error is the base of a public one.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def _meant(error: Exception) -> str:
    """Return the choice of an option or argument that is most similar to the given one; "" if none is."""
    from difflib import get_close_matches

    choices = getattr(getattr(getattr(error, "param", None), "type", None), "choices", ())
    given = re.search(r"'([^']*)' is not one of", str(getattr(error, "message", "")))
    names = [str(getattr(choice, "value", choice)) for choice in choices]
    close = get_close_matches(given[1].lower(), names, 1) if given else []
    return f" (did you mean '{close[0]}'?)" if close else ""


def _fail_usage(error: Exception) -> NoReturn:
    """Print the error of an invalid command line as one line with a reference to the help; exit with status 2."""
    context = getattr(error, "ctx", None)
    path = command_name()
    if context is not None:
        # Click's name of the program is "python -m PACKAGE" if it was started that way.
        path += context.command_path.removeprefix(context.find_root().info_name)
    # Click's sentences start with a capital, end with a full stop, and may name several options.
    text = " ".join(str(getattr(error, "format_message", lambda: str(error))()).split()).rstrip(".") + _meant(error)
    # A number with limits is of the type "float range", but what is given for it is no range.
    text = re.sub(r"(is not a valid (?:float|integer)) range", r"\1", text)
    print(printable(f"{path}: {text[:1].lower()}{text[1:]}: see '{path} --help'"), file=sys.stderr)
    raise SystemExit(exit_codes.USAGE)


def _finite(parameter: TyperArgument | TyperOption) -> Callable[[Any, Any, Any], Any]:
    """Return a callback of a parameter that refuses NaN and infinity, which pass a range or a missing limit."""
    inner = parameter.callback

    def check(context: Any, given: Any, value: Any) -> Any:  # noqa: ANN401 - types of click or of Typer's copy
        for number in value if isinstance(value, list | tuple) else (value,):
            if isinstance(number, float) and not math.isfinite(number):
                raise typer.BadParameter(f"{number} is not a finite number", context, given)
        return value if inner is None else inner(context, given, value)

    return check


def command_of(app: typer.Typer) -> TyperCommand | TyperGroup:
    """Return the command of an application; neither it nor its subcommands accept NaN or infinity."""
    from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
    from typer.main import get_command

    top = get_command(app)
    if not isinstance(top, TyperCommand | TyperGroup):
        raise TypeError(f"{app} is not a Typer application")
    waiting: list[object] = [top]
    while waiting:
        command = waiting.pop()
        if isinstance(command, TyperGroup):
            waiting += command.commands.values()
        if isinstance(command, TyperCommand | TyperGroup):
            for parameter in command.params:
                if isinstance(parameter, TyperArgument | TyperOption):
                    parameter.callback = _finite(parameter)
    return top


def run(app: typer.Typer) -> NoReturn:
    """Run a command; see :func:`neuron_console.running.run_to_its_end`."""

    def call() -> object:
        try:
            return command_of(app)(standalone_mode=False)
        except typer.Abort:
            raise KeyboardInterrupt from None
        except _UsageError as error:
            _fail_usage(error)

    run_to_its_end(call)
