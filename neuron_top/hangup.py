"""Detects that a terminal was closed: the kernel sends SIGHUP to foreground processes only."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable


def when_gone(terminal: int, call: Callable[[], object]) -> None:
    """Call ``call`` in a thread when the other end of ``terminal`` (a file descriptor) is closed.

    Textual reads a closed terminal in a loop, which takes a whole core.
    """

    def wait() -> None:
        poll = select.poll()
        # poll() always reports a hangup; without event flags it does not report input.
        poll.register(terminal, 0)
        poll.poll()
        call()

    threading.Thread(target=wait, name="hangup", daemon=True).start()
