"""Read the stream of neuron-monitor from a file descriptor as complete lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from neuron_console.text import printable
from neuron_monitor.signals import Signals
from runtime_core.telemetry import NeuronError, UsageError

T = TypeVar("T")

MAX_LINE_BYTES = 64 * 1024 * 1024
_READ_BYTES = 1 << 18


class Lines:
    """Splits input into lines; a line longer than 64 MiB is skipped."""

    def __init__(self, fd: int) -> None:
        """Create a reader of the file descriptor ``fd``."""
        self._fd = fd
        self._rest = bytearray()
        self._skipping = False

    def read(self) -> list[bytes] | None:
        """Read once; return the complete lines without their newlines, or ``None`` at the end of the stream."""
        piece = os.read(self._fd, _READ_BYTES)
        if not piece:
            return None
        self._rest += piece
        if b"\n" not in piece:
            if len(self._rest) > MAX_LINE_BYTES:
                self._rest.clear()
                self._skipping = True
            return []
        *whole, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        if self._skipping:
            self._skipping = False
            del whole[0]
        return whole


def require_stream(fd: int) -> None:
    """Check that a file descriptor can be a stream of reports.

    Raises:
        UsageError: ``fd`` is a terminal.
        NeuronError: ``fd`` cannot be read.
    """
    try:
        os.read(fd, 0)
    except OSError:
        raise NeuronError("standard input is closed", mend="pipe neuron-monitor into this command") from None
    if os.isatty(fd):
        raise UsageError("standard input is a terminal", mend="pipe neuron-monitor into this command")


def lines_until_stop(fd: int, signals: Signals) -> Iterator[bytes]:
    """Yield every line, until the stream ends or a signal requests a stop."""
    lines = Lines(fd)
    while not signals.stop:
        signals.wait_readable(fd)
        if signals.stop:
            return
        found = lines.read()
        if found is None:
            return
        yield from found


def each_report(
    fd: int, signals: Signals, take: Callable[[bytes], T], command: str, count_bad: Callable[[], None] | None = None
) -> Iterator[T]:
    """Yield the result of ``take`` for each report, until the stream ends or a signal requests a stop.

    A line that is not a report is skipped; the first such line is reported on stderr.

    Args:
        fd: file descriptor of the stream.
        signals: the signals that request a stop.
        take: processes a line; raises an error of msgspec if the line is not a report.
        command: name of the command for messages on stderr.
        count_bad: called for each line that is skipped.

    Raises:
        NeuronError: the stream ended without a single report.
    """
    good = bad = 0
    for line in lines_until_stop(fd, signals):
        try:
            taken = take(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            bad += 1
            if bad == 1:
                reason = printable(" ".join(str(error).split()))
                print(f"{command}: a line is not a report and is skipped: {reason}", file=sys.stderr, flush=True)
            if count_bad is not None:
                count_bad()
            continue
        good += 1
        yield taken
    if not good and not signals.stop:
        raise NeuronError("standard input ended without a report", mend="pipe neuron-monitor into this command")
