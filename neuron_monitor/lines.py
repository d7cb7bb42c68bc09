"""Reading the stream of a neuron-monitor: whole lines of a descriptor, as they come."""

from __future__ import annotations

import os
from collections.abc import Iterator

from neuron_monitor.signals import Signals

MAX_LINE_BYTES = 64 * 1024 * 1024
_READ_BYTES = 1 << 18


class Lines:
    """Cuts what is read into lines; one beyond 64 MiB is left out."""

    def __init__(self, fd: int) -> None:
        """``fd``: read from."""
        self._fd = fd
        self._rest = bytearray()
        self._skipping = False

    def read(self) -> list[bytes] | None:
        """The lines that are there now, after one read, without their ends; ``None`` at the end of the stream."""
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


def lines_until_stop(fd: int, signals: Signals) -> Iterator[bytes]:
    """Every line, until the stream ends or a signal asks to stop."""
    lines = Lines(fd)
    while not signals.stop:
        signals.wait_readable(fd)
        if signals.stop:
            return
        found = lines.read()
        if found is None:
            return
        yield from found
