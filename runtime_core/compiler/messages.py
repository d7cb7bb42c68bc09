"""Shorten messages of other libraries to one line."""

from __future__ import annotations

_LONGEST = 200


def one_line(error: BaseException) -> str:
    """Return the first sentence of another library's message, or the name of the error if the message is empty."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    # A line that ends with a colon is useless without the following lines.
    said = " ".join(lines) if lines[0].endswith(":") else lines[0]
    return said[:_LONGEST]
