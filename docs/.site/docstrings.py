"""Docstrings as Markdown: roles become code, simple tables become tables."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`~?([^`]+)`")
_RULE = re.compile(r"=+( +)=+")


def _table(lines: list[str], column: int) -> list[str]:
    rows: list[tuple[str, str]] = []
    for line in lines:
        left, right = line[:column].strip(), line[column:].strip()
        # A row continues in the next line if that has no name, or if a cell ends with a comma.
        if rows and (not left or rows[-1][0].endswith(",") or rows[-1][1].endswith(",")):
            left, right = f"{rows[-1][0]} {left}".strip(), f"{rows[-1][1]} {right}".strip()
            rows.pop()
        rows.append((left, right))
    cells = [f"| {left} | {right} |".replace("``", "`") for left, right in rows]
    return ["", "| name | |", "|---|---|", *cells, ""]


def as_markdown(text: str) -> str:
    """The docstring as Markdown that mkdocstrings renders."""
    done: list[str] = []
    rows: list[str] | None = None
    column = 0
    for line in text.split("\n"):
        rule = _RULE.fullmatch(line)
        if rule and rows is None:
            rows, column = [], rule.end(1)
        elif rule and rows is not None:
            done += _table(rows, column)
            rows = None
        elif rows is not None:
            rows.append(line)
        else:
            done.append(re.sub(r"^(\w+)::$", r"\1:", line))
    return _ROLE.sub(r"`\1`", "\n".join([*done, *(rows or ())]))


class Markdown(griffe.Extension):
    """Rewrites each docstring before it is parsed."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:  # noqa: ANN401 - griffe's own signature
        """Called for every object that is collected."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)
