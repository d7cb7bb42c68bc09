"""Regular expressions for the tags of runtimes, in time linear in the tag: RE2, which the original monitor uses too.

Python's own engine takes exponential time for some expressions, such as ``(a+)+$``: one tag would silence the monitor.
"""

from __future__ import annotations

from typing import Protocol

_MAX_CHARACTERS = 4096
_MAX_MEMORY_BYTES = 4 << 20
"""Of a compiled expression: ``(x{1000}){1000}`` is refused."""


class TagFilter(Protocol):
    """A compiled expression; ``pattern`` is its text."""

    pattern: str

    def search(self, text: str) -> object | None:
        """Whether it matches anywhere in ``text``; ``None``: it does not."""
        ...


def tag_filter(pattern: str) -> TagFilter:
    """Compile an expression in RE2's syntax: that of Python without look-around and back-references.

    Raises:
        ValueError: it is not one, or is too large.
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
