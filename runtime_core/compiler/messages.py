"""Shorten messages of other libraries to one line."""

from __future__ import annotations

import re

_LONGEST = 300
_TAGS = re.compile(r"\[\w+InferenceError\] (?:Inference error\(s\): )?")
_OPERATOR = re.compile(r"\(op_type:(\w+)(?:, node name: ([^)]*))?\)")


def one_line(error: BaseException) -> str:
    """Return the first sentence of another library's message, or the name of the error if the message is empty."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    # A line that ends with a colon is useless without the following lines.
    said = " ".join(lines) if lines[0].endswith(":") else lines[0]
    said = _OPERATOR.sub(_operator, _TAGS.sub("", said))
    shorter = said[:_LONGEST]
    return said if said == shorter else f"{shorter.rpartition(' ')[0] or shorter} ..."


def _operator(found: re.Match[str]) -> str:
    return f"operator {found[1]}" + (f" of node {found[2]!r}" if found[2] else "")
