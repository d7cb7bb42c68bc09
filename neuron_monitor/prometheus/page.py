"""What a scrape gets: the page of the last report, made once, and a few figures of the exporter itself."""

from __future__ import annotations

import gzip
import platform
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from neuron_monitor.prometheus.seen import NodeSeen
from neuron_monitor.prometheus.table import Kind
from neuron_monitor.prometheus.text import (
    OPENMETRICS_TYPE,
    TEXT_TYPE,
    Family,
    Renderer,
    escape,
    openmetrics_page,
    text_page,
)
from neuron_monitor.prometheus.totals import Totals
from runtime_core import __version__

_GZIP_LEVEL = 1
"""Beyond it, a smaller page costs more of the node's time than it saves."""


class Exporter(NamedTuple):
    """Figures of the exporter itself.

    Attributes:
        report_age_seconds: how old the figures are; ``None`` before the first report.
        collection_seconds, collections: spent in all on looking and rendering, and how often.
        scrape_seconds, scrapes: spent on answering, and how often.
        bad_lines: lines that were no reports.
    """

    report_age_seconds: float | None
    collection_seconds: float
    collections: int
    scrape_seconds: float
    scrapes: int
    bad_lines: int


def _pair(name: str, help_text: str, total: float, count: int) -> Family:
    """A summary without quantiles, as two counters would be."""
    return Family(name, Kind.SUMMARY, help_text, (f"{name}_sum {total}\n", f"{name}_count {count}\n"))


def exporter_families(figures: Exporter) -> list[Family]:
    """The exporter's own metrics. They carry no instance labels: they are about this process."""
    age = figures.report_age_seconds
    build = f'version="{escape(__version__)}",pythonversion="{escape(platform.python_version())}"'
    return [
        Family("neuron_monitor_build_info", Kind.GAUGE, "Version of the monitor, in labels",
               (f"neuron_monitor_build_info{{{build}}} 1\n",)),
        Family("neuron_monitor_report_age_seconds", Kind.GAUGE, "Age of the figures on this page",
               () if age is None else (f"neuron_monitor_report_age_seconds {age}\n",)),
        _pair("neuron_monitor_collection_duration_seconds", "Time spent on looking at the node and on this page",
              figures.collection_seconds, figures.collections),
        _pair("neuron_monitor_scrape_duration_seconds", "Time spent on answering scrapes",
              figures.scrape_seconds, figures.scrapes),
        Family("neuron_monitor_bad_lines_total", Kind.COUNTER, "Lines of the stream that were no reports",
               (f"neuron_monitor_bad_lines_total {figures.bad_lines}\n",)),
    ]  # fmt: skip


class _Rendered:
    """The families of one report in each format and encoding, made when first asked for."""

    def __init__(self, families: Sequence[Family], seen_at: float) -> None:
        self._families = families
        self._made: dict[tuple[bool, bool], bytes] = {}
        self._lock = threading.Lock()
        self.seen_at = seen_at

    def body(self, *, openmetrics: bool, zipped: bool) -> bytes:
        with self._lock:
            made = self._made.get((openmetrics, zipped))
            if made is None:
                if zipped:
                    plain = self._plain(openmetrics)
                    made = gzip.compress(plain, _GZIP_LEVEL, mtime=0)
                    self._made[openmetrics, True] = made
                else:
                    made = self._plain(openmetrics)
            return made

    def _plain(self, openmetrics: bool) -> bytes:
        made = self._made.get((openmetrics, False))
        if made is None:
            page = openmetrics_page(self._families) if openmetrics else text_page(self._families)
            made = self._made[openmetrics, False] = page.encode("utf-8", "replace")
        return made


class Page:
    """The current page. One thread sets it, others read it."""

    def __init__(self) -> None:
        self._renderer = Renderer()
        self._totals = Totals()
        self._rendered: _Rendered | None = None
        self._lock = threading.Lock()
        self._collection_seconds = 0.0
        self._collections = 0
        self._scrape_seconds = 0.0
        self._scrapes = 0
        self.bad_lines = 0

    def show(self, node: NodeSeen, began_seconds: float) -> None:
        """Take what is known now.

        Args:
            node: what was seen.
            began_seconds: monotonic time at which looking began.
        """
        families = self._renderer.families(node, self._totals.update(node.runtimes))
        self._rendered = _Rendered(families, node.monotonic_seconds)
        self._collection_seconds += time.monotonic() - began_seconds
        self._collections += 1

    def age_seconds(self) -> float | None:
        """Age of the last report, ``None`` before the first."""
        rendered = self._rendered
        return None if rendered is None else max(0.0, time.monotonic() - rendered.seen_at)

    def count_scrape(self, seconds: float) -> None:
        """Note that a scrape was answered."""
        with self._lock:
            self._scrape_seconds += seconds
            self._scrapes += 1

    def scrape(self, *, openmetrics: bool = False, zipped: bool = False) -> bytes:
        """The body of an answer.

        Args:
            openmetrics: in OpenMetrics instead of the text format.
            zipped: as gzip: the members of two parts, which make one stream.
        """
        rendered = self._rendered
        body = b"" if rendered is None else rendered.body(openmetrics=openmetrics, zipped=zipped)
        families = exporter_families(self._figures())
        tail = openmetrics_page(families) if openmetrics else text_page(families)
        client = _client_library(openmetrics)
        end = tail.encode() + client
        return body + (gzip.compress(end, _GZIP_LEVEL, mtime=0) if zipped else end)

    def _figures(self) -> Exporter:
        with self._lock:
            return Exporter(
                self.age_seconds(),
                self._collection_seconds,
                self._collections,
                self._scrape_seconds,
                self._scrapes,
                self.bad_lines,
            )


def _client_library(openmetrics: bool) -> bytes:
    """``process_*`` and ``python_*`` of the client library; in OpenMetrics with the end of the page."""
    from prometheus_client import REGISTRY
    from prometheus_client.exposition import choose_encoder

    encode, _ = choose_encoder(OPENMETRICS_TYPE if openmetrics else TEXT_TYPE)
    return encode(REGISTRY)
