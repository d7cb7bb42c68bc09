"""Common parts of running commands: standard streams, errors as one line, exit codes. Does not import Typer."""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Callable
from typing import NoReturn, Protocol, runtime_checkable

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


def drop_stdout() -> None:
    """Discard buffered output after the reader closed it, because Python would report an error at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reader_left() -> bool:
    """Whether standard output is a pipe without a reader."""
    watched = select.poll()
    watched.register(sys.stdout.fileno(), 0)
    return any(state & select.POLLERR for _, state in watched.poll(0))


def command_name() -> str:
    """Return the name of this command, or of its console script if it was started with ``python -m``."""
    name = os.path.basename(sys.argv[0])
    if name != "__main__.py":
        return name
    spec = sys.modules["__main__"].__spec__
    package = "" if spec is None or spec.parent is None else spec.parent
    return _script_of(package) or f"python -m {package}"


def _script_of(package: str) -> str:
    """Return the name of the console script of ``package``; "" if there is none."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        scripts = distribution(DISTRIBUTION).entry_points.select(group="console_scripts")
    except PackageNotFoundError:
        return ""
    return next((script.name for script in scripts if script.module.rpartition(".")[0] == package), "")


def format_error(error: UserError) -> str:
    """Return the line for the user: the place, what is wrong, the remedy."""
    mend = error.mend
    if not mend and isinstance(error, BaseException):
        # The import error names the package, and this finds the extra that installs it.
        missing = missing_extra(error.__cause__)
        mend = missing.mend if missing else ""
    return ": ".join(part for part in (error.where, error.what, mend) if part)


def fail(message: str, code: int = exit_codes.FAILURE) -> NoReturn:
    """Print ``message`` as one line on stderr, under the command's name, and exit with ``code``.

    Control characters are replaced, because a message may quote an untrusted file.
    """
    print(f"{command_name()}: {printable(' '.join(message.split()))}", file=sys.stderr)
    raise SystemExit(code)


def open_standard_streams() -> None:
    """Replace standard streams that the caller closed by /dev/null, and exit if standard output was closed.

    Without this, the next file that the process opens would take the descriptor of the closed stream.
    """
    closed = [fd for fd in range(3) if not _is_open(fd)]
    for _ in closed:
        # The lowest free descriptor is the missing one.
        # Write-only even for standard input, so that reading a closed input fails instead of returning nothing.
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


def run_to_its_end(call: Callable[[], object]) -> NoReturn:
    """Run a command. An expected failure becomes one line; Ctrl-C stops it without a message.

    Args:
        call: the command; an integer that it returns is the exit status.
    """
    open_standard_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # In an ASCII locale, print "?" for the arrow of a link instead of failing.
            stream.reconfigure(errors="replace")
    try:
        status = call()
        # Python would report a full disk or a closed pipe at exit in its own words.
        sys.stdout.flush()
    except KeyboardInterrupt:
        raise SystemExit(exit_codes.INTERRUPTED) from None
    except PermissionError as error:
        fail(
            f"no permission for {error.filename}: run as the owner of the node, or choose another with NEURON_SIM_ROOT"
        )
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _reader_left():
            # As with "| head", nobody wants the rest.
            drop_stdout()
            raise SystemExit(exit_codes.FAILURE) from None
        if isinstance(error, FileNotFoundError) and isinstance(error.filename, str | os.PathLike):
            folder = os.path.dirname(error.filename) or "."
            if not os.path.isdir(folder):
                fail(f"{error.filename}: folder {folder} not found")
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
