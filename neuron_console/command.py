"""What all commands share: how they are built, how they report errors, how they print their version."""

from __future__ import annotations

import io
import os
import re
import sys
from typing import Annotated, NoReturn, Protocol, runtime_checkable

import typer

from neuron_console import exit_codes
from neuron_console.extras import DISTRIBUTION, missing_extra
from neuron_console.text import printable


@runtime_checkable
class UserError(Protocol):
    """An error that a user can act on: what is wrong, where, and the remedy."""

    what: str
    where: str
    mend: str
    exit_code: int


def examples_epilog(examples: str) -> str:
    """The last part of the help: one example per line, printed unchanged."""
    # A \b line keeps the help formatter from re-flowing the lines that follow it.
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in examples.splitlines())


def new_app(summary: str, examples: str | None = None) -> typer.Typer:
    """A Typer application with plain help and no traceback boxes.

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
    """Callback of ``--trust-node``: what is started by the command trusts the node too."""
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


def drop_stdout() -> None:
    """Discard buffered output after the reader closed it: otherwise Python would report an error when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def command_name() -> str:
    """The name of this command; of its console script when it was started with ``python -m``."""
    name = os.path.basename(sys.argv[0])
    if name != "__main__.py":
        return name
    spec = sys.modules["__main__"].__spec__
    package = "" if spec is None or spec.parent is None else spec.parent
    return _script_of(package) or f"python -m {package}"


def _script_of(package: str) -> str:
    """The console script whose program lies in ``package``; "" if there is none."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        scripts = distribution(DISTRIBUTION).entry_points.select(group="console_scripts")
    except PackageNotFoundError:
        return ""
    return next((script.name for script in scripts if script.module.rpartition(".")[0] == package), "")


def format_error(error: UserError) -> str:
    """The line that a user reads: where, what is wrong, the remedy."""
    mend = error.mend
    if not mend and isinstance(error, BaseException):
        # The import error names the package; only this module knows the extra that installs it.
        missing = missing_extra(error.__cause__)
        mend = missing.mend if missing else ""
    return ": ".join(part for part in (error.where, error.what, mend) if part)


def fail(message: str, code: int = exit_codes.FAILURE) -> NoReturn:
    """Print ``message`` as one line on stderr, under the command's name, and exit with ``code``.

    A message may quote an untrusted file, so control characters are replaced.
    """
    print(f"{command_name()}: {printable(' '.join(message.split()))}", file=sys.stderr)
    raise SystemExit(code)


def open_standard_streams() -> None:
    """Replace standard streams that the caller closed by /dev/null, and exit if standard output was closed.

    Without this, the next file that the process opens would take the descriptor of the closed stream.
    """
    closed = [fd for fd in range(3) if not _is_open(fd)]
    for _ in closed:
        # The lowest free descriptor is the one that is missing.
        # Write-only, standard input too: reading a closed input fails instead of finding it empty.
        os.open(os.devnull, os.O_WRONLY)
    if 0 in closed:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - a standard stream stays open
    if 1 in closed:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if 2 in closed:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    if 1 in closed:
        fail("standard output is closed: give it a terminal, a pipe, a file or /dev/null")


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


# Typer carries its own copy of click, or imports it, depending on its version: the error is the base of a public one.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def _meant(error: Exception) -> str:
    """The choice of an option or argument that is most like the one given; "" if none is."""
    from difflib import get_close_matches

    choices = getattr(getattr(getattr(error, "param", None), "type", None), "choices", ())
    given = re.search(r"'([^']*)' is not one of", str(getattr(error, "message", "")))
    names = [str(getattr(choice, "value", choice)) for choice in choices]
    close = get_close_matches(given[1].lower(), names, 1) if given else []
    return f" (did you mean '{close[0]}'?)" if close else ""


def _fail_usage(error: Exception) -> NoReturn:
    """Print a wrong command line's error as one line, with the help that explains it, and exit with status 2."""
    context = getattr(error, "ctx", None)
    path = command_name()
    if context is not None:
        # Click's own name of the program is "python -m PACKAGE" when it was started so.
        path += context.command_path.removeprefix(context.find_root().info_name)
    # Click's sentences end with a full stop and begin with a capital, and may name several options.
    text = " ".join(str(getattr(error, "format_message", lambda: str(error))()).split()).rstrip(".") + _meant(error)
    print(printable(f"{path}: {text[:1].lower()}{text[1:]}: see '{path} --help'"), file=sys.stderr)
    raise SystemExit(exit_codes.USAGE)


def run(app: typer.Typer) -> NoReturn:
    """Run a command to its end: an expected failure becomes one line, Ctrl-C ends the command without a message."""
    open_standard_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # In an ASCII locale a link's arrow is shown as "?": the rest of the line is worth more than an error.
            stream.reconfigure(errors="replace")
    try:
        status = app(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        raise SystemExit(exit_codes.INTERRUPTED) from None
    except _UsageError as error:
        _fail_usage(error)
    except PermissionError as error:
        fail(
            f"no permission for {error.filename}: run as the owner of the node, or choose another with NEURON_SIM_ROOT"
        )
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        fail(f"{error.strerror or error}{where}")
    except ImportError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        fail(format_error(missing), missing.exit_code)
    except Exception as error:
        if not isinstance(error, UserError):
            raise
        fail(format_error(error), error.exit_code)
    raise SystemExit(status if isinstance(status, int) else exit_codes.OK)
