"""Destinations of lines: standard output, or a file with rotation."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from neuron_monitor.signals import Signals

_PIPE_BUF = 4096
"""Bytes that a pipe accepts without blocking once it is ready (``pipe(7)``)."""

DEFAULT_MAX_BYTES = 64 * 1024 * 1024
DEFAULT_KEEP = 4


class LineOutput(Protocol):
    """A destination of lines."""

    @property
    def watched_fd(self) -> int | None:
        """The descriptor on which a reader can be seen to leave; ``None`` if there is none."""
        ...

    @property
    def failing(self) -> bool:
        """Whether the last line was lost."""
        ...

    def write(self, line: bytes, signals: Signals) -> bool:
        """Write a whole line; return False if there is no reader any more, or a signal requested a stop meanwhile."""
        ...

    def reopen(self) -> None:
        """Reopen the destination after SIGHUP, if that is possible."""
        ...

    def close(self) -> None:
        """Close the destination."""
        ...


class StandardOutput:
    """Writes to a descriptor without blocking signals when the reader does not read."""

    def __init__(self, fd: int) -> None:
        """Create an output for ``fd``, a pipe, file or terminal; its flags, which may be shared, are not changed."""
        self._fd = fd
        mode = os.fstat(fd).st_mode
        self._piece = sys.maxsize if stat.S_ISREG(mode) else _PIPE_BUF

    @property
    def watched_fd(self) -> int | None:
        """The descriptor."""
        return self._fd

    @property
    def failing(self) -> bool:
        """False: a line that cannot be written raises an error, and a reader may leave."""
        return False

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
        """Do nothing."""

    def close(self) -> None:
        """Do nothing: standard output stays open."""


class RotatedFile:
    """A file of lines, readable only by its owner. A full file is renamed to FILE.1, FILE.1 to FILE.2, and so on.

    A line that cannot be written (disk full) is dropped, with one message; the file never contains a partial line.
    """

    def __init__(self, path: Path, max_bytes: int = DEFAULT_MAX_BYTES, keep: int = DEFAULT_KEEP) -> None:
        """Open the file for appending.

        Args:
            path: the file.
            max_bytes: a line that would exceed this size starts a new file.
            keep: number of full files to keep.

        Raises:
            OSError: the file cannot be opened.
        """
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._failing = False
        self._fd = -1
        self._size = 0
        self._open()

    def _open(self) -> None:
        # A symbolic link at FILE could redirect lines to a file that is not ours.
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
        """``None``: a file has no reader that could leave."""
        return None

    @property
    def failing(self) -> bool:
        """See :class:`LineOutput`."""
        return self._failing

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
        """Return whether another program (logrotate) moved or removed the file."""
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
        """Open the file that is now at the path."""
        try:
            self._open()
        except OSError as error:
            print(f"neuron-monitor: {self._path}: {error.strerror or error}", file=sys.stderr)

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
