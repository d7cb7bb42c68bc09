"""Read lines from a file descriptor and send requests."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable

import msgspec

from neuron_console.running import drop_stdout
from neuron_monitor.cloudwatch.send import COMMAND, Sender, tell_on_stderr
from neuron_monitor.cloudwatch.table import figures
from neuron_monitor.cloudwatch.window import Datum, Window
from neuron_monitor.lines import each_report
from neuron_monitor.reading import ReportReader
from neuron_monitor.signals import Signals
from runtime_core.telemetry import NeuronError


def follow(fd: int, put: Callable[[list[Datum]], None], period_seconds: float, signals: Signals) -> None:
    """Send the values of the lines, every period and at the end.

    Args:
        fd: file descriptor of the stream.
        put: see :class:`.send.Sender`.
        period_seconds: time between requests.
        signals: signals that request a stop.

    Raises:
        NeuronError: there was no report, or some values could not be sent at the end.
    """
    window = Window()
    reader = ReportReader(tell_on_stderr)
    sender = Sender(window, put, period_seconds, tell_on_stderr)
    try:
        for report in each_report(fd, signals, reader.read, COMMAND):
            window.add(figures(report), time.time())
    finally:
        left = sender.finish()
    if left:
        raise NeuronError(f"{left} values could not be sent")


def print_request(namespace: str, signals: Signals) -> Callable[[list[Datum]], None]:
    """Return a function that prints each request as a line of JSON; it stops through ``signals`` if printing fails."""

    def put(data: list[Datum]) -> None:
        line = msgspec.json.encode({"Namespace": namespace, "MetricData": data}).decode()
        try:
            print(line, file=sys.stdout, flush=True)
        except BrokenPipeError:
            drop_stdout()
            signals.handle(signal.SIGPIPE)

    return put
