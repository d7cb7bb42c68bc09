"""The page for scrapes: metrics of the latest report, rendered once, and a few figures about the exporter."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence

from neuron_monitor.api.documents import Documents
from neuron_monitor.compat.releases import Compat
from neuron_monitor.prometheus import protobuf
from neuron_monitor.prometheus.own import Exporter, own_page
from neuron_monitor.prometheus.seen import NodeSeen
from neuron_monitor.prometheus.text import Family, Format, Renderer, page_of
from neuron_monitor.prometheus.totals import Totals
from neuron_monitor.reading import Problem
from neuron_monitor.report import Report

_GZIP_LEVEL = 1
"""A higher level would make the page smaller, but cost more CPU time of the node than it saves."""
_ASKED_SECONDS = 600.0
"""Protobuf is rendered while a client has requested it within this time."""

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
"""Selects the gzip format in zlib."""


class _Rendered:
    """One report in each format and encoding, rendered on the first request (protobuf: in advance)."""

    def __init__(self, families: Sequence[Family], seen_at: float, protobuf: bytes | None = None) -> None:
        self._families = families
        self._plain: dict[Format, bytes] = {} if protobuf is None else {Format.PROTOBUF: protobuf}
        self._zipped: dict[Format, tuple[bytes, zlib._Compress]] = {}
        self._lock = threading.Lock()
        self.seen_at = seen_at

    @property
    def has_protobuf(self) -> bool:
        return Format.PROTOBUF in self._plain

    def plain(self, form: Format) -> bytes:
        with self._lock:
            return self._text(form)

    def zipped(self, form: Format) -> tuple[bytes, zlib._Compress]:
        """Return the compressed data and the compressor to continue it: the page of a scrape is one gzip member."""
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


def _nothing() -> None:
    pass


def _compressor() -> zlib._Compress:
    return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)


class Page:
    """The current page. One thread sets it, other threads read it."""

    def __init__(self) -> None:
        self._renderer = Renderer()
        self._totals = Totals()
        self._rendered: _Rendered | None = None
        self.documents = Documents()
        self.on_show: Callable[[], None] = _nothing
        """Called after each report, in the thread that sets reports."""
        self.node: NodeSeen | None = None
        """State of the node for the latest report."""
        self._lock = threading.Lock()
        self._protobuf_until = 0.0
        self._shown_at = time.monotonic()
        self.interval_seconds = 0.0
        """Time between the last two reports; for the first report, the time since the start."""
        self._collection_seconds = 0.0
        self._collections = 0
        self._scrape_seconds = 0.0
        self._scrapes = 0
        self.bad_lines = 0
        self.refused_reloads = 0
        self.evicted_connections = 0
        self.line_problems: Mapping[Problem, int] = dict.fromkeys(Problem, 0)
        """Number of values in the stream that could not be used, by reason; set by the reader of the stream."""

    def show(
        self, node: NodeSeen, began_seconds: float, report: Report | None = None, compat: Compat | None = None
    ) -> None:
        """Set the current state.

        Args:
            node: state of the node.
            began_seconds: monotonic time at which the reading began.
            report: the groups that were due; ``None``: only metrics are served.
            compat: the release whose form the served report has.
        """
        now = time.monotonic()
        self.interval_seconds, self._shown_at = now - self._shown_at, now
        self.node = node
        tags = self._totals.update(node.runtimes)
        families = self._renderer.families(node, tags)
        # Few scrapers request protobuf. It must be rendered now, because the figures may change later.
        asked = now < self._protobuf_until
        messages = protobuf.families(node, tags) if asked else None
        self._rendered = _Rendered(families, node.monotonic_seconds, messages)
        if report is not None:
            self.documents.show(node, report, time.time() - (now - node.monotonic_seconds), compat)
            self.on_show()
        self._collection_seconds += time.monotonic() - began_seconds
        self._collections += 1

    def count_bad_line(self) -> None:
        """Count a line of the stream that was not a report."""
        self.bad_lines += 1

    def count_refused_reload(self) -> None:
        """Count a rejected change of the web configuration."""
        self.refused_reloads += 1

    def count_eviction(self) -> None:
        """Count a connection that was closed to make room for another."""
        self.evicted_connections += 1

    def age_seconds(self) -> float | None:
        """Return the age of the latest report in seconds; ``None`` before the first."""
        rendered = self._rendered
        return None if rendered is None else max(0.0, time.monotonic() - rendered.seen_at)

    def count_scrape(self, seconds: float) -> None:
        """Count an answered scrape."""
        with self._lock:
            self._scrape_seconds += seconds
            self._scrapes += 1

    def available(self, wanted: Format) -> Format:
        """Return the format to use when ``wanted`` is requested: protobuf is available from the next report on."""
        if wanted is not Format.PROTOBUF:
            return wanted
        self._protobuf_until = time.monotonic() + _ASKED_SECONDS
        rendered = self._rendered
        return wanted if rendered is not None and rendered.has_protobuf else Format.TEXT

    def scrape(self, form: Format = Format.TEXT, *, zipped: bool = False) -> tuple[bytes, bytes]:
        """Return the body of a response: the part shared by all scrapes of a report, and the part rendered now.

        Args:
            form: the format.
            zipped: whether the body is compressed with gzip.
        """
        rendered = self._rendered
        end = own_page(self._figures(), form)
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
                self.refused_reloads,
                self.evicted_connections,
                self.line_problems[Problem.MISSING],
                self.line_problems[Problem.MISTYPED],
            )
