"""Adds pages to the site whenever it is built: every command from the text of ``--help``, and the changelog."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from neuron_tools.manual import applications

_FOLDER = "reference/commands"
_HEAD = """# Commands

Every command has `--help` with examples and `--version`. Exit status: 0 success, 1 failure, 2 wrong usage, 130 ended by
Ctrl-C. Errors are one line on stderr: what is wrong, where, and how to mend it.

| command | |
|---|---|
"""


def _help(command: TyperCommand | TyperGroup, name: str) -> str:
    context = typer.Context(command, info_name=name, max_content_width=80, terminal_width=80)
    return textwrap.dedent(command.get_help(context)).strip()


def _sections(command: TyperCommand | TyperGroup, name: str, level: int) -> Iterator[str]:
    yield f"{'#' * level} {name}\n\n```text\n{_help(command, name)}\n```\n"
    if isinstance(command, TyperGroup):
        for inner in sorted(command.commands):
            yield from _sections(command.commands[inner], f"{name} {inner}", level + 1)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each console script, one that lists them all, and the changelog."""
    os.environ["NO_COLOR"] = "1"
    rows = []
    for name, app in applications().items():
        command = get_command(app)
        page = name.removesuffix(".py")
        rows.append(f"| [`{name}`](commands/{page}.md) | {' '.join((command.help or '').split())} |")
        text = "\n".join(_sections(command, name, 1))
        files.append(File.generated(config, f"{_FOLDER}/{page}.md", content=text))
    files.append(File.generated(config, f"{_FOLDER}.md", content=_HEAD + "\n".join(rows) + "\n"))
    changes = (Path(config.config_file_path).parent / "CHANGELOG.md").read_text()
    files.append(File.generated(config, "changelog.md", content=changes))
    return files
