"""Where lines go: standard output, or a file that is rotated."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from neuron_monitor.signals import Signals

_PIPE_BUF = 4096
"""What a pipe that is ready takes at once without blocking (``pipe(7)``)."""

DEFAULT_MAX_BYTES = 64 * 1024 * 1024
DEFAULT_KEEP = 4


class LineOutput(Protocol):
    """Takes lines until nobody wants them."""

    @property
    def watched_fd(self) -> int | None:
        """What to watch for a reader that leaves; ``None`` when nobody can."""
        ...

    def write(self, line: bytes, signals: Signals) -> bool:
        """Write a whole line; False when there is nobody to write for, or a signal asked to stop meanwhile."""
        ...

    def reopen(self) -> None:
        """Begin anew, where that makes sense: after SIGHUP."""
        ...

    def close(self) -> None:
        """Nothing more is written."""
        ...


class StandardOutput:
    """Writes to a descriptor so that a reader that stopped reading cannot keep signals from being heard."""

    def __init__(self, fd: int) -> None:
        """``fd``: a pipe, file or terminal; its flags, which others may share, are left alone."""
        self._fd = fd
        mode = os.fstat(fd).st_mode
        self._piece = sys.maxsize if stat.S_ISREG(mode) else _PIPE_BUF

    @property
    def watched_fd(self) -> int | None:
        """The descriptor."""
        return self._fd

    def write(self, line: bytes, signals: Signals) -> bool:
        """See :class:`LineOutput`."""
        rest = memoryview(line)
        while rest:
            if not signals.wait(None, self._fd, writable=True):
                return False
            if signals.stop:
                return False
            try:
                rest = rest[os.write(self._fd, rest[: self._piece]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                return False
        return True

    def reopen(self) -> None:
        """There is nothing to open."""

    def close(self) -> None:
        """Standard output is not ours to close."""


class RotatedFile:
    """A file of lines, readable by its owner alone; full, it becomes FILE.1, FILE.1 becomes FILE.2, and so on.

    What cannot be written (a full disk) is dropped line by line and said once; the file never holds half a line.
    """

    def __init__(self, path: Path, max_bytes: int = DEFAULT_MAX_BYTES, keep: int = DEFAULT_KEEP) -> None:
        """Open the file to append.

        Args:
            path: the file.
            max_bytes: a line that would make it longer begins a new one.
            keep: how many full files stay beside it.

        Raises:
            OSError: it cannot be opened.
        """
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._failing = False
        self._fd = -1
        self._size = 0
        self._open()

    def _open(self) -> None:
        # A link at FILE could lead lines into a file that is not ours.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        fd = os.open(self._path, flags, 0o600)
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(fd)
            raise OSError(0, "not a regular file, so it cannot be rotated", str(self._path))
        self.close()
        self._fd, self._size = fd, found.st_size

    @property
    def watched_fd(self) -> int | None:
        """A file has no reader that could leave."""
        return None

    def _rotate(self) -> None:
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._keep + 1))]
        if self._keep:
            for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
                with suppress(FileNotFoundError):
                    newer.replace(older)
        else:
            self._path.unlink(missing_ok=True)
        self._open()

    def _moved(self) -> bool:
        """Whether somebody else (logrotate) moved or removed the file."""
        try:
            there = os.lstat(self._path)
        except FileNotFoundError:
            return True
        return not os.path.samestat(there, os.fstat(self._fd))

    def _append(self, line: bytes) -> None:
        if self._fd < 0 or self._moved():
            self._open()
        if self._size and self._size + len(line) > self._max_bytes:
            self._rotate()
        written = os.write(self._fd, line)
        if written < len(line):
            os.ftruncate(self._fd, self._size)
            raise OSError(0, "no room for a whole line", str(self._path))
        self._size += written

    def write(self, line: bytes, signals: Signals) -> bool:
        """See :class:`LineOutput`."""
        try:
            self._append(line)
        except OSError as error:
            if not self._failing:
                reason = error.strerror or str(error)
                print(f"neuron-monitor: {self._path}: lines are being lost: {reason}", file=sys.stderr)
            self._failing = True
            return not signals.stop
        if self._failing:
            print(f"neuron-monitor: {self._path}: lines are being written again", file=sys.stderr)
        self._failing = False
        return True

    def reopen(self) -> None:
        """Open what is now at the path."""
        try:
            self._open()
        except OSError as error:
            print(f"neuron-monitor: {self._path}: {error.strerror or error}", file=sys.stderr)

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
