"""The calls in progress in a runtime: closing it waits for those of other threads."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from threading import get_ident

from runtime_core.status import NrtError, NrtStatus

_POLL_SECONDS = 0.0005

_forks = 0


def _count_fork() -> None:
    global _forks
    _forks += 1


def _nothing() -> None:
    """Placeholder until :meth:`Calls.close` sets an action."""


os.register_at_fork(after_in_child=_count_fork)


class Calls:
    """A context manager for each call; after :meth:`close`, new calls are refused.

    Each thread has an entry in a dictionary, because setting and deleting an entry is atomic without a lock.
    """

    __slots__ = ("_action", "_closer", "_closing", "_deferred", "_forks", "_guard", "_inside", "closed")

    def __init__(self) -> None:
        """Open, in this process."""
        self._inside: dict[int, int] = {}
        self._action: Callable[[], None] = _nothing
        self._closer = 0
        self._closing = False
        self._deferred = False
        self._guard = threading.RLock()
        self._forks = _forks
        self.closed = False

    @property
    def of_this_process(self) -> bool:
        """Whether this is the process that made it, and not a fork."""
        return self._forks == _forks

    def check(self) -> None:
        """Check that a call may start.

        Raises:
            NrtError: CLOSED, or UNINITIALIZED in a forked child.
        """
        if self._forks != _forks:
            raise NrtError(
                NrtStatus.UNINITIALIZED,
                "the runtime belongs to the parent process",
                mend="initialise one after the fork",
            )
        if self._closing:
            raise NrtError(NrtStatus.CLOSED, "the runtime is closed", mend="initialise it again")

    def enter(self) -> int:
        """Begin a call; returns the thread, for :meth:`leave`. For executions: ``with`` takes twice as long.

        Raises:
            NrtError: as :meth:`check`.
        """
        inside, thread = self._inside, get_ident()
        # The entry is set before the flag is read, and close() sets the flag before it reads the entries. Therefore one
        # of the two always notices the other.
        inside[thread] = inside.get(thread, 0) + 1
        if self._closing or self._forks != _forks:
            self.leave(thread)
            self.check()
        return thread

    def leave(self, thread: int) -> None:
        """End a call of ``thread``, the caller's."""
        inside = self._inside
        calls = inside[thread] - 1
        if calls:
            inside[thread] = calls
        else:
            del inside[thread]
            if self._deferred and self._closer == thread:
                self._finish()

    def __enter__(self) -> None:
        self.enter()

    def __exit__(self, *_: object) -> None:
        self.leave(get_ident())

    def close(self, action: Callable[[], None]) -> None:
        """Refuse new calls, wait for the calls of other threads, and run ``action`` once.

        A signal handler may close the runtime in the middle of a call of its own thread. In that case ``action`` runs
        when that call ends. A second caller waits for the first.
        """
        thread = get_ident()
        with self._guard:
            first = not self._closing
            if first:
                self._closing, self._closer, self._action = True, thread, action
                self._deferred = thread in self._inside
        if first and not self._deferred:
            self._finish()
        # Waiting would never end within a call of this thread, or within its own close().
        while not (self.closed or thread in self._inside or thread == self._closer):
            time.sleep(_POLL_SECONDS)

    def _finish(self) -> None:
        self._deferred = False
        while any(thread != self._closer for thread in list(self._inside)):
            time.sleep(_POLL_SECONDS)
        try:
            self._action()
        finally:
            self.closed = True
