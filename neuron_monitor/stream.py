"""The stream: one JSON object a line, for as long as somebody reads."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import msgspec

from neuron_monitor.collector import Collector
from neuron_monitor.config import Config, ConfigError, default_config, load_config
from neuron_tools.console import drop_stdout
from runtime_core.telemetry import open_source

_TELL_SOURCE = 1
_TELL_LATENESS = 3


class _Signals:
    """What was asked for by signal; a pipe wakes the wait."""

    def __init__(self) -> None:
        self.stop = False
        self.reload = False
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Note the signal."""
        if number == signal.SIGHUP:
            self.reload = True
        else:
            self.stop = True
        # A pipe full of wake-ups needs no more of them.
        with suppress(BlockingIOError):
            os.write(self._write, b"x")

    def wait(self, seconds: float | None) -> None:
        """Sleep for ``seconds`` (``None``: for ever) or until a signal."""
        ready, _, _ = select.select([self._read], [], [], seconds)
        if ready:
            with suppress(BlockingIOError):
                os.read(self._read, 4096)


@contextmanager
def _handled() -> Iterator[_Signals]:
    signals = _Signals()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, signals.handle) for number in numbers}
    try:
        yield signals
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _configuration(path: Path | None) -> Config:
    return default_config() if path is None else load_config(path)


def stream(config_path: Path | None, source_name: str | None, *, once: bool = False, verbose: int = 0) -> None:
    """Write reports to stdout until a signal or a closed pipe.

    Args:
        config_path: the configuration file; ``None``: every group, every 5 s.
        source_name: see :func:`runtime_core.telemetry.open_source`.
        once: end after the first report.
        verbose: 0 to 4; from 1 on, say on stderr what is watched, from 3 on, when each report was late.

    Raises:
        ConfigError: the file is broken.
        NodeError: there is no node to begin with.
    """
    config = _configuration(config_path)
    source = open_source(source_name)
    collector = Collector(source, config, time.monotonic_ns())
    if verbose >= _TELL_SOURCE:
        print(f"neuron-monitor: watching {source.name}", file=sys.stderr)
    encoder = msgspec.json.Encoder()
    out = sys.stdout.buffer
    with _handled() as signals:
        while not signals.stop:
            deadline_ns = collector.next_deadline_ns()
            left = None if deadline_ns is None else (deadline_ns - time.monotonic_ns()) / 1e9
            if left is None or left > 0:
                signals.wait(left)
            if signals.reload:
                signals.reload = False
                _reload(collector, config_path)
            elif not signals.stop and deadline_ns is not None and time.monotonic_ns() >= deadline_ns:
                if verbose >= _TELL_LATENESS:
                    late_ms = (time.monotonic_ns() - deadline_ns) / 1e6
                    print(f"neuron-monitor: report {late_ms:.3f} ms after its deadline", file=sys.stderr)
                line = encoder.encode(collector.collect(time.monotonic_ns())) + b"\n"
                try:
                    out.write(line)
                    out.flush()
                except BrokenPipeError:
                    drop_stdout()
                    return
                if once:
                    return


def _reload(collector: Collector, path: Path | None) -> None:
    """Take the changed file; a broken one is reported and the old configuration stays."""
    try:
        collector.reconfigure(_configuration(path), time.monotonic_ns())
    except ConfigError as error:
        print(f"neuron-monitor: configuration not reloaded: {error}", file=sys.stderr)


def json_schema() -> str:
    """The JSON Schema of a line of the stream."""
    from neuron_monitor.report import Report

    return msgspec.json.format(msgspec.json.encode(msgspec.json.schema(Report)), indent=2).decode()
