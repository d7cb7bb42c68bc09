"""Destinations of metrics: a page that is scraped, or a file for node_exporter's textfile collector."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from neuron_monitor.collector import Look
from neuron_monitor.core_users import UserSource
from neuron_monitor.prometheus.from_node import NodeFeed
from neuron_monitor.prometheus.page import Page
from neuron_monitor.prometheus.text import Format, Renderer, page_of
from neuron_monitor.prometheus.totals import Totals
from neuron_monitor.signals import Signals
from runtime_core.telemetry import write_atomically


class PageSink:
    """Shows each report on a page."""

    def __init__(self, page: Page, users: Sequence[UserSource] = ()) -> None:
        """Create a sink for ``page``; ``users``: sources of the pods and jobs that use the cores."""
        self._page = page
        self._feed = NodeFeed(users)

    @property
    def watched_fd(self) -> int | None:
        """``None``: there is no reader that could leave."""
        return None

    @property
    def failing(self) -> bool:
        """False: a page is always replaced."""
        return False

    def take(self, look: Look, signals: Signals) -> bool:
        """See :class:`neuron_monitor.stream.Sink`."""
        self._page.show(self._feed.take(look), look.began_seconds, look.report, look.compat)
        return not signals.stop

    def reopen(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class TextFile:
    """Writes each report atomically to a ``*.prom`` file for node_exporter."""

    def __init__(self, path: Path, *, stays: bool = False, users: Sequence[UserSource] = ()) -> None:
        """Create a sink; nothing is written before the first report.

        Args:
            path: file in the directory that node_exporter watches; only names that end in ``.prom`` are read there.
            stays: do not remove the file at the end.
            users: sources of the pods and jobs that use the cores.
        """
        self._path = path
        self._stays = stays
        self._feed = NodeFeed(users)
        self._renderer = Renderer()
        self._totals = Totals()
        self._failing = False

    @property
    def watched_fd(self) -> int | None:
        """``None``: a file has no reader that could leave."""
        return None

    @property
    def failing(self) -> bool:
        """See :class:`neuron_monitor.stream.Sink`."""
        return self._failing

    def take(self, look: Look, signals: Signals) -> bool:
        """See :class:`neuron_monitor.stream.Sink`."""
        node = self._feed.take(look)
        families = self._renderer.families(node, self._totals.update(node.runtimes))
        seen = f"neuron_monitor_report_timestamp_seconds {time.time()}\n"
        page = page_of(families, Format.TEXT) + (
            "# HELP neuron_monitor_report_timestamp_seconds When this file was written\n"
            f"# TYPE neuron_monitor_report_timestamp_seconds gauge\n{seen}"
        )
        try:
            # Readable by all users, because node_exporter runs as another user.
            write_atomically(self._path, page.encode("utf-8", "replace"), mode=0o644)
            self._failing = False
        except OSError as error:
            if not self._failing:
                print(f"neuron-monitor: {self._path}: not written: {error.strerror or error}", file=sys.stderr)
            self._failing = True
        return not signals.stop

    def reopen(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Remove the file, because outdated figures would be taken for current ones."""
        if self._stays:
            return
        with suppress(OSError):
            self._path.unlink()
