"""Read the stream of a neuron-monitor from standard input, and serve it as metrics."""

from __future__ import annotations

import sys
import time

from neuron_monitor.lines import each_report
from neuron_monitor.prometheus.from_stream import StreamFeed
from neuron_monitor.prometheus.page import Page
from neuron_monitor.prometheus.seen import NodeSeen
from neuron_monitor.report import Report
from neuron_monitor.signals import Signals

COMMAND = "neuron-monitor-prometheus.py"


def _warn(sentence: str) -> None:
    print(f"{COMMAND}: {sentence}", file=sys.stderr, flush=True)


def follow(fd: int, page: Page, signals: Signals) -> None:
    """Show each line on the page until the stream ends or a signal requests a stop.

    Args:
        fd: file descriptor of the stream.
        page: the page to update.
        signals: signals that request a stop.

    Raises:
        NeuronError: the stream ended without a single report.
    """
    feed = StreamFeed(warn=_warn)
    page.line_problems = feed.reader.problems

    def take(line: bytes) -> tuple[NodeSeen, float, Report]:
        began = time.monotonic()
        report = feed.reader.read(line)
        return feed.take(report), began, report

    for node, began, report in each_report(fd, signals, take, COMMAND, page.count_bad_line):
        page.show(node, began, report)
