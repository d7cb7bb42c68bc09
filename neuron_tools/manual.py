"""Generate man pages of all commands from the text of ``--help``: ``python -m neuron_tools.manual DIRECTORY``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType

import typer
from typer.core import TyperCommand, TyperGroup

from neuron_console.command import command_of
from neuron_console.exit_codes import USAGE
from neuron_console.running import fail
from runtime_core import __version__

_DISTRIBUTION = "neuron-tools-sim"
_NOT_IN_PAGES = {"--install-completion", "--show-completion"}
"""Options that Typer adds to every command; completion has its own section."""

_EXIT_STATUS = (("0", "success"), ("1", "failure: one line on stderr says what is wrong, where, and what to do"),
                ("2", "invalid command line"), ("130", "stopped by Ctrl-C"))  # fmt: skip


def _modules() -> dict[str, ModuleType]:
    """Return name of each console script of the suite -> its module."""
    scripts = [e for e in distribution(_DISTRIBUTION).entry_points if e.group == "console_scripts"]
    return {script.name: import_module(script.module) for script in scripts}


def applications() -> dict[str, typer.Typer]:
    """Return name of each console script of the suite -> its application."""
    found = {name: getattr(module, "app", None) for name, module in _modules().items()}
    return {name: app for name, app in sorted(found.items()) if isinstance(app, typer.Typer)}


def _escaped(text: str) -> str:
    """Escape text for roff: backslashes, hyphens, and lines that look like requests."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in escaped.split("\n"))


def _entry(term: str, text: str) -> Iterator[str]:
    yield from (".TP", f".B {_escaped(term)}", _escaped(" ".join(text.split())) or "\\&")


def _examples(epilog: str | None) -> Iterator[str]:
    """Yield the examples below the options of ``--help``, unchanged."""
    lines = [line.strip() for line in (epilog or "").replace("\b", "").splitlines()]
    examples = [line for line in lines if line and line != "Examples:"]
    if examples:
        yield from (".SH EXAMPLES", ".nf", *map(_escaped, examples), ".fi")


def _options(command: TyperCommand | TyperGroup, context: typer.Context) -> Iterator[str]:
    records = (parameter.get_help_record(context) for parameter in command.get_params(context))
    for record in records:
        if record is not None and not _NOT_IN_PAGES & set(record[0].replace(",", " ").split()):
            yield from _entry(*record)


def _subcommands(group: TyperGroup, context: typer.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if not isinstance(command, TyperCommand) or command.hidden:
            continue
        inner = typer.Context(command, info_name=name, parent=context)
        usage = [*inner.command_path.split(), *command.collect_usage_pieces(inner)]
        yield f".SS {_escaped(' '.join(usage))}"
        yield _escaped(" ".join((command.help or "").split()))
        yield from _options(command, inner)


def man_page(name: str, app: typer.Typer) -> str:
    """Return the page of section 1 for a command, as roff.

    Args:
        name: name of the command, e.g. ``neuron-ls``.
        app: its application.
    """
    command = command_of(app)
    context = typer.Context(command, info_name=name, **command.context_settings)
    summary = " ".join((command.help or "").split())
    # A build date would make every build differ; the version is enough.
    lines = [f'.TH "{name.upper()}" "1" "" "{_DISTRIBUTION} {__version__}" "User Commands"']
    # Names of commands, options and variables must not be broken at the end of a line.
    lines += [".nh", ".ad l"]
    lines += [".SH NAME", f"{_escaped(name)} \\- {_escaped(summary.split('. ')[0].rstrip('.'))}"]
    lines += [".SH SYNOPSIS", f".B {_escaped(name)}", _escaped(" ".join(command.collect_usage_pieces(context)))]
    lines += [".SH DESCRIPTION", _escaped(summary), ".SH OPTIONS", *_options(command, context)]
    if isinstance(command, TyperGroup):
        lines += [".SH COMMANDS", *_subcommands(command, context)]
    lines += _examples(command.epilog)
    lines.append(".SH EXIT STATUS")
    # A command with its own exit codes declares them beside its application.
    for code, meaning in getattr(_modules().get(name), "EXIT_STATUS", _EXIT_STATUS):
        lines += _entry(code, meaning)
    lines += [".SH COMPLETION", _escaped(f"{name} --install-completion sets up the completion of bash, zsh or fish.")]
    others = [other for other in applications() if other != name]
    lines += [".SH SEE ALSO", ", ".join(f"{_escaped(other)}(1)" for other in others)]
    return "\n".join(lines) + "\n"


def write_pages(directory: Path) -> list[Path]:
    """Write the page of every command; return the files.

    Raises:
        OSError: the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, app in applications().items():
        path = directory / f"{name}.1"
        path.write_text(man_page(name, app), encoding="utf-8")
        written.append(path)
    return written


def main() -> None:
    """Write the pages to the directory on the command line."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        fail("the directory for the pages is missing: python -m neuron_tools.manual DIRECTORY", USAGE)
    for path in write_pages(Path(sys.argv[1])):
        print(path)


if __name__ == "__main__":
    main()
