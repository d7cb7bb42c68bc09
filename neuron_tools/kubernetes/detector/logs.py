"""New lines of a log: a file that may be rotated or missing, or the kernel's messages in the systemd journal."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from runtime_core.errors import NeuronError

_MAX_READ_BYTES = 1 << 20
_MAX_LINE_BYTES = 16 << 10


class Log(Protocol):
    """A source of lines."""

    def lines(self) -> Iterator[str]:
        """Return the lines since the last call, without waiting."""
        ...

    def close(self) -> None:
        """Close open files."""
        ...


class _Lines:
    """Splits bytes into lines; lines are truncated at a limit."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[str]:
        *whole, rest = (self._rest + data).split(b"\n")
        self._rest = rest if len(rest) <= _MAX_LINE_BYTES else b""
        for line in whole:
            yield line[:_MAX_LINE_BYTES].decode("utf-8", "replace")


class FileLog:
    """A growing file, read from its current end; a new or shorter file is read from its start."""

    def __init__(self, path: Path) -> None:
        """Start at the end of ``path``.

        Raises:
            NeuronError: ``path`` is not a regular file.
        """
        self._path = path
        self._fd = -1
        self._lines = _Lines()
        self._open(at_end=True)

    def _open(self, *, at_end: bool) -> None:
        try:
            # Opening a FIFO must not block the detector.
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return
        except OSError as error:
            raise NeuronError(f"cannot be read: {error.strerror}", where=str(self._path)) from None
        if not os.path.isfile(self._path):
            os.close(fd)
            raise NeuronError("not a regular file", where=str(self._path), mend="give a log file")
        if at_end:
            os.lseek(fd, 0, os.SEEK_END)
        self._fd = fd
        self._lines = _Lines()

    def _rotated(self) -> bool:
        try:
            there = os.stat(self._path)
        except OSError:
            return False
        here = os.fstat(self._fd)
        return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)

    def lines(self) -> Iterator[str]:
        """See :class:`Log`."""
        if self._fd < 0:
            self._open(at_end=False)
            if self._fd < 0:
                return
        if os.fstat(self._fd).st_size < os.lseek(self._fd, 0, os.SEEK_CUR):
            os.lseek(self._fd, 0, os.SEEK_SET)
        while data := os.read(self._fd, _MAX_READ_BYTES):
            yield from self._lines.feed(data)
        if self._rotated():
            os.close(self._fd)
            self._fd = -1
            self._open(at_end=False)

    def close(self) -> None:
        """See :class:`Log`."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class JournalLog:
    """The kernel's messages from now on, through ``journalctl``."""

    def __init__(self, program: str = "journalctl") -> None:
        """Start the program.

        Raises:
            NeuronError: the program is not installed.
        """
        command = [program, "--dmesg", "--follow", "--lines=0", "--output=cat", "--quiet"]
        try:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)  # noqa: S603
        except OSError as error:
            raise NeuronError(
                f"cannot be started: {error.strerror}", where=program, mend="use --log FILE if there is no systemd"
            ) from None
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        os.set_blocking(self._process.stdout.fileno(), False)
        self._lines = _Lines()

    def lines(self) -> Iterator[str]:
        """See :class:`Log`."""
        assert self._process.stdout is not None  # noqa: S101
        while True:
            try:
                data = os.read(self._process.stdout.fileno(), _MAX_READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                return
            yield from self._lines.feed(data)

    def close(self) -> None:
        """See :class:`Log`."""
        self._process.terminate()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
