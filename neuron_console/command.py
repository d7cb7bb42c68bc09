"""What every command does the same way: how its application is made, how it fails, how it shows its version."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, NoReturn, Protocol, runtime_checkable

import typer

from neuron_console import exit_codes

_DISTRIBUTION = "neuron-tools-sim"


@runtime_checkable
class UserError(Protocol):
    """An error that a user can act on: what is wrong, where, and how to mend it."""

    what: str
    where: str
    mend: str
    exit_code: int


def examples_epilog(examples: str) -> str:
    """Help's last part: one example a line, shown as they stand."""
    # A \b line keeps the help formatter from re-flowing the lines that follow it.
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in examples.splitlines())


def new_app(summary: str, examples: str | None = None) -> typer.Typer:
    """A Typer application with plain help and no traceback boxes.

    Args:
        summary: one paragraph on what the command does.
        examples: one example a line; an application of one command gives them to that command instead.
    """
    return typer.Typer(
        help=summary,
        epilog=None if examples is None else examples_epilog(examples),
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def show_version(wanted: bool) -> None:
    """Callback of an eager ``--version`` option: print the suite's version and end."""
    if wanted:
        from importlib.metadata import version

        typer.echo(f"{os.path.basename(sys.argv[0])} {version(_DISTRIBUTION)}")
        raise typer.Exit


VersionFlag = Annotated[
    bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and end.")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def drop_stdout() -> None:
    """The reader went away: send what is left nowhere, or Python would complain when it flushes stdout at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(message: str, code: int = exit_codes.FAILURE) -> NoReturn:
    """Print ``message`` as one line on stderr, under the command's name, and end with ``code``.

    A message may quote a file that anybody made: nothing in it drives the terminal.
    """
    line = "".join(c if c.isprintable() else "?" for c in " ".join(message.split()))
    print(f"{os.path.basename(sys.argv[0])}: {line}", file=sys.stderr)
    raise SystemExit(code)


def run(app: typer.Typer) -> NoReturn:
    """Run a command to its end: expected failures become one line, Ctrl-C ends it quietly."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # In an ASCII locale a link's arrow is shown as "?": the rest of the line is worth more than an error.
            stream.reconfigure(errors="replace")
    try:
        app()
    except PermissionError as error:
        fail(
            f"no permission for {error.filename}: run as the owner of the node, or choose another with NEURON_SIM_ROOT"
        )
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        fail(f"{error.strerror or error}{where}")
    except Exception as error:
        if not isinstance(error, UserError):
            raise
        fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        raise SystemExit(exit_codes.INTERRUPTED) from None
    raise SystemExit(exit_codes.OK)
