"""Reads the stream of a neuron-monitor on standard input, and serves it as metrics."""

from __future__ import annotations

import os
import sys
import time

import msgspec

from neuron_monitor.prometheus.from_stream import StreamFeed
from neuron_monitor.prometheus.page import Page
from neuron_monitor.signals import Signals

_MAX_LINE_BYTES = 64 * 1024 * 1024


class Lines:
    """Whole lines of a descriptor, as they come; a line beyond 64 MiB is dropped."""

    def __init__(self, fd: int) -> None:
        """``fd``: read from."""
        self._fd = fd
        self._rest = bytearray()
        self._skipping = False

    def read(self) -> list[bytes] | None:
        """The lines that are there now, after one read; ``None`` at the end."""
        piece = os.read(self._fd, 1 << 18)
        if not piece:
            return None
        self._rest += piece
        if b"\n" not in piece:
            if len(self._rest) > _MAX_LINE_BYTES:
                self._rest.clear()
                self._skipping = True
            return []
        *whole, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        if self._skipping:
            self._skipping = False
            whole = [b"", *whole[1:]]
        return whole


def follow(fd: int, page: Page, signals: Signals) -> bool:
    """Show each line on the page until the stream ends or a signal asks to stop.

    Args:
        fd: the stream.
        page: what a server serves.
        signals: to stop by.

    Returns:
        False when the stream ended without a single report.
    """
    feed = StreamFeed()
    lines = Lines(fd)
    good = False
    while not signals.stop:
        signals.wait_readable(fd)
        if signals.stop:
            break
        found = lines.read()
        if found is None:
            return good
        for line in found:
            began = time.monotonic()
            try:
                page.show(feed.take_line(line), began)
                good = True
            except msgspec.MsgspecError as error:
                _bad(page, str(error))
            except (UnicodeDecodeError, RecursionError) as error:
                _bad(page, type(error).__name__)
    return True


def _bad(page: Page, reason: str) -> None:
    page.bad_lines += 1
    if page.bad_lines == 1:
        print(f"neuron-monitor-prometheus.py: a line is no report, and is left out: {reason}", file=sys.stderr)
