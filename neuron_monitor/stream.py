"""The stream: one JSON object per line, for as long as there is a reader."""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from neuron_console.text import printable
from neuron_monitor.collector import Collector, Look
from neuron_monitor.compat.releases import Compat
from neuron_monitor.config import DEFAULT_PERIOD, Config, ConfigError, default_config, load_config
from neuron_monitor.output import LineOutput
from neuron_monitor.signals import Signals
from neuron_monitor.wire import encode_report
from runtime_core.telemetry import open_source

_TELL_SOURCE = 1
_TELL_LATENESS = 3


class Sink(Protocol):
    """Receives the result of each reading of the node."""

    @property
    def watched_fd(self) -> int | None:
        """The descriptor on which a reader can be seen to leave; ``None`` if there is none."""
        ...

    @property
    def failing(self) -> bool:
        """Whether the last result was lost; complete after :meth:`close`."""
        ...

    def take(self, look: Look, signals: Signals) -> bool:
        """Process a result; return False if no more are wanted."""
        ...

    def reopen(self) -> None:
        """SIGHUP came."""
        ...

    def close(self) -> None:
        """It is over."""
        ...


class JsonLines:
    """Writes each report as a line of JSON."""

    def __init__(self, output: LineOutput) -> None:
        """Create a sink that writes to ``output``."""
        self._output = output

    @property
    def watched_fd(self) -> int | None:
        """See :class:`Sink`."""
        return self._output.watched_fd

    @property
    def failing(self) -> bool:
        """See :class:`Sink`."""
        return self._output.failing

    def take(self, look: Look, signals: Signals) -> bool:
        """See :class:`Sink`."""
        if look.compat is None:
            line = encode_report(look.report)
        else:
            from neuron_monitor.compat.forms import encode_compat

            line = encode_compat(look.report, look.compat)
        return self._output.write(line + b"\n", signals)

    def reopen(self) -> None:
        """See :class:`Sink`."""
        self._output.reopen()

    def close(self) -> None:
        """See :class:`Sink`."""
        self._output.close()


class ConfigFile(NamedTuple):
    """Source of the configuration.

    Attributes:
        path: the file; ``None``: every group.
        strict: accept only current names.
        compat: the release whose form the lines have; overrides the file.
        period: of every group without a file.
    """

    path: Path | None = None
    strict: bool = False
    compat: Compat | None = None
    period: str = DEFAULT_PERIOD

    def load(self) -> Config:
        """Read the configuration, and print on stderr the parts that are ignored.

        Raises:
            ConfigError: the file is invalid.
        """
        config = default_config(self.period) if self.path is None else load_config(self.path, strict=self.strict)
        for warning in config.warnings:
            print(printable(f"neuron-monitor: {self.path}: {warning}"), file=sys.stderr, flush=True)
        return config if self.compat is None else msgspec.structs.replace(config, compat=self.compat)


def stream(
    config_file: ConfigFile,
    source_name: str | None,
    sinks: list[Sink],
    signals: Signals,
    *,
    once: bool = False,
    verbose: int = 0,
) -> None:
    """Write reports until a signal arrives or a reader leaves.

    Args:
        config_file: the configuration file.
        source_name: see :func:`runtime_core.telemetry.open_source`.
        sinks: destinations of the reports.
        signals: signals that stop the stream or reload the configuration.
        once: stop after one report of every group.
        verbose: 0 to 4; from 1 on, print the source on stderr; from 3 on, print how late each report was.

    Raises:
        ConfigError: the file is invalid.
        NodeError: the node is missing.
    """
    config = config_file.load()
    source = open_source(source_name)
    watched = next((sink.watched_fd for sink in sinks if sink.watched_fd is not None), None)
    collector = Collector(source, config, time.monotonic_ns())
    if verbose >= _TELL_SOURCE:
        print(f"neuron-monitor: watching {source.name}", file=sys.stderr)
    _settle()
    while not signals.stop:
        deadline_ns = collector.next_deadline_ns()
        left_ns = deadline_ns - time.monotonic_ns()
        if left_ns > 0 and not signals.wait(left_ns / 1e9, watched):
            break
        if signals.reload:
            signals.reload = False
            _reload(collector, config_file, sinks)
            continue
        now_ns = time.monotonic_ns()
        if signals.stop or now_ns < deadline_ns:
            continue
        look = collector.collect(now_ns, everything=once)
        wanted = all(sink.take(look, signals) for sink in sinks)
        if verbose >= _TELL_LATENESS:
            late_ms, written_ms = ((at - deadline_ns) / 1e6 for at in (now_ns, time.monotonic_ns()))
            timing = f"report begun {late_ms:.3f} ms late, written {written_ms:.3f} ms after its deadline"
            print(f"neuron-monitor: {timing}", file=sys.stderr)
        if not wanted or once:
            break
    source.close()


def _settle() -> None:
    """Exclude existing objects from garbage collection, which would otherwise delay reports by up to 20 ms."""
    gc.collect()
    gc.freeze()


def _reload(collector: Collector, config_file: ConfigFile, sinks: list[Sink]) -> None:
    """Load the changed file; if it is invalid, report this and keep the old configuration."""
    for sink in sinks:
        sink.reopen()
    try:
        collector.reconfigure(config_file.load(), time.monotonic_ns())
    except ConfigError as error:
        print(printable(f"neuron-monitor: configuration not reloaded: {error}"), file=sys.stderr)
