"""A program in a separate terminal, whose output is read and discarded."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import psutil

ROWS, COLUMNS = 40, 120
_ESCAPE = re.compile(rb"\x1b(\[[0-9;?<=>]*[A-Za-z]|[\]P][^\x07\x1b]*(\x07|\x1b\\)|.)")
_KEPT_BYTES = 1 << 20


class NotShownError(Exception):
    """A program did not write what was expected."""


class Terminal:
    """A running program. ``written``: number of bytes that it has sent to its terminal."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the program in a terminal of :data:`COLUMNS` by :data:`ROWS`."""
        self.started = time.perf_counter()
        pid, self._descriptor = pty.fork()
        if pid == 0:
            # stdin is the child's side of the terminal.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            os.execvpe(command[0], list(command), dict(environment))
        self.process = psutil.Process(pid)
        self.written = 0
        self._kept = b""
        self._hung_up = False
        self._stop = os.eventfd(0)
        self._told = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._descriptor, self._stop], [], [])
            if self._stop in ready:
                return
            try:
                data = os.read(self._descriptor, 1 << 16)
            except OSError:
                # EIO: no process has the other side of the terminal open.
                data = b""
            with self._told:
                self.written += len(data)
                self._kept = (self._kept + data)[-_KEPT_BYTES:]
                self._hung_up = not data
                self._told.notify_all()
            if not data:
                return

    def seconds_until(self, pattern: bytes, timeout_seconds: float = 60.0) -> float:
        """Return the seconds from the start until the text matches.

        Raises:
            NotShownError: the program ended, or the time is over; with the end of what it wrote.
        """
        sought = re.compile(pattern)

        def shown() -> bool:
            return sought.search(_ESCAPE.sub(b"", self._kept)) is not None

        with self._told:
            self._told.wait_for(lambda: self._hung_up or shown(), timeout_seconds)
            if shown():
                return time.perf_counter() - self.started
            why = "it ended" if self._hung_up else f"not within {timeout_seconds:g} s"
            text = _ESCAPE.sub(b"", self._kept).decode(errors="replace")
            raise NotShownError(f"no {pattern.decode()!r}, {why}; the end of {self.written} bytes: {text[-400:]!r}")

    def press(self, keys: bytes, pattern: bytes, timeout_seconds: float = 30.0) -> float:
        """Type keys, wait until the following output matches, and return the seconds."""
        with self._told:
            self._kept = b""
        began = time.perf_counter()
        os.write(self._descriptor, keys)
        self.seconds_until(pattern, timeout_seconds)
        return time.perf_counter() - began

    def _family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """CPU seconds of the program and its children, including ended ones."""
        total = 0.0
        for process in self._family():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def rss_bytes(self) -> int:
        """Resident memory of the program and its children."""
        total = 0
        for process in self._family():
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total

    def cpu_share(self, seconds: float) -> float:
        """Return the share of one core that the program uses in the next ``seconds``."""
        before, began = self.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu_seconds() - before) / (time.monotonic() - began)

    def end(self) -> None:
        """Kill the program and its children."""
        for process in reversed(self._family()):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        with suppress(ChildProcessError):
            os.waitpid(self.process.pid, 0)
        # The next terminal gets the same descriptor: a thread that still reads it would take the first frame away.
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        os.close(self._descriptor)
        os.close(self._stop)


@contextmanager
def terminal(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Terminal]:
    """A program in a terminal for the block."""
    made = Terminal(command, environment)
    try:
        yield made
    finally:
        made.end()
