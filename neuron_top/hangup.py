"""The end of a terminal: the kernel tells its session's foreground processes by SIGHUP, and no others."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable


def when_gone(terminal: int, call: Callable[[], object]) -> None:
    """Call ``call``, in a thread of its own, once nobody holds the other end of ``terminal`` (a file descriptor).

    Textual reads a terminal that is gone again and again, which takes a whole core.
    """

    def wait() -> None:
        poll = select.poll()
        # Hanging up is told whatever is asked for; input is not.
        poll.register(terminal, 0)
        poll.poll()
        call()

    threading.Thread(target=wait, name="hangup", daemon=True).start()
