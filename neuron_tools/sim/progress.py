"""A line on stderr that tells how far long work is; nothing where nobody looks."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def live_line(what: str) -> Iterator[Callable[[str], None]]:
    """Show ``what`` with a spinner, and what the returned call is given; only on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status(what) as status:
        yield lambda figures: status.update(f"{what}: {figures}")
