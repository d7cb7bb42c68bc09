"""Shortens messages of other libraries to one line."""

from __future__ import annotations

_LONGEST = 200


def one_line(error: BaseException) -> str:
    """The first sentence of another library's message, or the error's name when it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    # A line that ends with a colon says nothing without those that follow it.
    said = " ".join(lines) if lines[0].endswith(":") else lines[0]
    return said[:_LONGEST]
