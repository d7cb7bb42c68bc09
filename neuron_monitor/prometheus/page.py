"""What a scrape gets: the page of the last report, made once, and a few figures of the exporter itself."""

from __future__ import annotations

import platform
import threading
import time
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from neuron_monitor.prometheus.seen import NodeSeen
from neuron_monitor.prometheus.table import Kind
from neuron_monitor.prometheus.text import Family, Format, Renderer, escape, page_of
from neuron_monitor.prometheus.totals import Totals
from runtime_core import __version__

_GZIP_LEVEL = 1
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
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
        self._plain: dict[Format, bytes] = {}
        self._zipped: dict[Format, tuple[bytes, zlib._Compress]] = {}
        self._lock = threading.Lock()
        self.seen_at = seen_at

    def plain(self, form: Format) -> bytes:
        with self._lock:
            return self._text(form)

    def zipped(self, form: Format) -> tuple[bytes, zlib._Compress]:
        """Compressed so far, and the compressor that goes on from there: the page of a scrape is one gzip member."""
        with self._lock:
            made = self._zipped.get(form)
            if made is None:
                compressor = _compressor()
                made = self._zipped[form] = compressor.compress(self._text(form)), compressor
            return made[0], made[1].copy()

    def _text(self, form: Format) -> bytes:
        made = self._plain.get(form)
        if made is None:
            made = self._plain[form] = page_of(self._families, form).encode("utf-8", "replace")
        return made


def _compressor() -> zlib._Compress:
    return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)


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

    def scrape(self, form: Format = Format.TEXT, *, zipped: bool = False) -> tuple[bytes, bytes]:
        """The body of an answer: what all scrapes of a report share, and what is of this moment.

        Args:
            form: the format.
            zipped: compressed by gzip.
        """
        rendered = self._rendered
        end = page_of(exporter_families(self._figures()), form).encode() + _client_library(form)
        if not zipped:
            return b"" if rendered is None else rendered.plain(form), end
        body, compressor = (b"", _compressor()) if rendered is None else rendered.zipped(form)
        return body, compressor.compress(end) + compressor.flush()

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


def _client_library(form: Format) -> bytes:
    """``process_*`` and ``python_*`` of the client library; in OpenMetrics with the end of the page."""
    from prometheus_client import REGISTRY
    from prometheus_client.exposition import choose_encoder

    encode, _ = choose_encoder(form.content_type)
    return encode(REGISTRY)
