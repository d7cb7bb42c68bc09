"""Signals as flags, and waits that signals interrupt."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Signals:
    """Requests made by signals: ``stop`` (SIGINT, SIGTERM) or ``reload`` (SIGHUP). A pipe wakes the waiting thread."""

    def __init__(self) -> None:
        self.stop = False
        self.reload = False
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def handle(self, number: int, _frame: FrameType | None = None) -> None:
        """Record a signal."""
        if number == signal.SIGHUP:
            self.reload = True
        else:
            self.stop = True
        # If the pipe is full, there are wake-ups enough.
        with suppress(BlockingIOError):
            os.write(self._write, b"x")

    def wait(self, seconds: float | None, fd: int | None = None, *, writable: bool = False) -> bool:
        """Sleep for ``seconds`` (``None``: without limit), until a signal, or until ``fd`` changes.

        Args:
            seconds: longest wait.
            fd: a pipe, file or terminal that is written to.
            writable: also return when ``fd`` can be written.

        Returns:
            False if ``fd`` has no reader any more.
        """
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        if fd is not None:
            poll.register(fd, select.POLLOUT if writable else 0)
        for ready, events in poll.poll(None if seconds is None else max(0.0, seconds) * 1000):
            if ready == self._read:
                with suppress(BlockingIOError):
                    os.read(self._read, 4096)
            elif events & _GONE:
                return False
        return True

    def wait_readable(self, fd: int) -> None:
        """Sleep until a signal, or until ``fd`` can be read or is at its end."""
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        poll.register(fd, select.POLLIN)
        if any(ready == self._read for ready, _ in poll.poll()):
            with suppress(BlockingIOError):
                os.read(self._read, 4096)

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._read)
        os.close(self._write)


@contextmanager
def handled() -> Iterator[Signals]:
    """Handle SIGINT, SIGTERM and SIGHUP as flags within the block."""
    signals = Signals()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, signals.handle) for number in numbers}
    try:
        yield signals
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signals.close()
