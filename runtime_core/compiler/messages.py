"""Other libraries' messages, cut to what fits a line of ours."""

from __future__ import annotations

_LONGEST = 200


def one_line(error: BaseException) -> str:
    """The first line of another library's message, or the error's name when it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:_LONGEST] if lines else type(error).__name__
