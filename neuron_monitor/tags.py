"""Regular expressions for the tags of runtimes, matched in linear time by RE2, as in the original monitor.

Python's own engine takes exponential time for some expressions, such as ``(a+)+$``: a single tag could block the
monitor.
"""

from __future__ import annotations

from typing import Protocol

_MAX_CHARACTERS = 4096
_MAX_MEMORY_BYTES = 4 << 20
"""Memory limit of a compiled expression; ``(x{1000}){1000}`` exceeds it."""


class TagFilter(Protocol):
    """A compiled expression; ``pattern`` is its text."""

    pattern: str

    def search(self, text: str) -> object | None:
        """Return a value other than ``None`` if the expression matches anywhere in ``text``."""
        ...


def tag_filter(pattern: str) -> TagFilter:
    """Compile an expression in RE2's syntax: that of Python without look-around and back-references.

    Raises:
        ValueError: the expression is invalid or too large.
    """
    if len(pattern) > _MAX_CHARACTERS:
        raise ValueError(f"longer than {_MAX_CHARACTERS} characters")
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY_BYTES
    try:
        compiled: TagFilter = re2.compile(pattern, options)
    except (re2.error, UnicodeError) as error:
        text = error.args[0] if error.args else error
        raise ValueError(text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)) from None
    return compiled
