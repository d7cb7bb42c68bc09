"""Reads the stream of a neuron-monitor on standard input, and serves it as metrics."""

from __future__ import annotations

import sys
import time

import msgspec

from neuron_monitor.lines import lines_until_stop
from neuron_monitor.prometheus.from_stream import StreamFeed
from neuron_monitor.prometheus.page import Page
from neuron_monitor.signals import Signals


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
    good = False
    for line in lines_until_stop(fd, signals):
        began = time.monotonic()
        try:
            page.show(feed.take_line(line), began)
            good = True
        except msgspec.MsgspecError as error:
            _bad(page, str(error))
        except (UnicodeDecodeError, RecursionError) as error:
            _bad(page, type(error).__name__)
    return good or signals.stop


def _bad(page: Page, reason: str) -> None:
    page.bad_lines += 1
    if page.bad_lines == 1:
        print(f"neuron-monitor-prometheus.py: a line is no report, and is left out: {reason}", file=sys.stderr)
