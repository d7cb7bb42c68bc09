"""A progress line on stderr for long work; only on a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def live_line(what: str) -> Iterator[Callable[[str], None]]:
    """Show ``what`` with a spinner and the text passed to the returned function; only on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status(what) as status:
        yield lambda figures: status.update(f"{what}: {figures}")
