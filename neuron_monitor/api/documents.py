"""Documents of ``/api/v1``, encoded once per report when they are first requested."""

from __future__ import annotations

import email.utils
import gzip
import secrets
import threading
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from neuron_monitor import report as out
from neuron_monitor.api.merged import LastReport
from neuron_monitor.api.summary import Summaries
from neuron_monitor.compat.releases import Compat
from neuron_monitor.prometheus.request import Answer, Request, accepts_gzip
from neuron_monitor.prometheus.seen import NodeSeen
from neuron_monitor.wire import encode_report

REPORT, SUMMARY, EVENTS = "/api/v1/report", "/api/v1/summary", "/api/v1/events"
PREFIX = "/api/"
_GZIP_LEVEL = 1
_JSON = ("Content-Type", "application/json")
_NO_REPORT = Answer(
    "503 Service Unavailable", b"no report yet\n", (("Retry-After", "5"), ("Content-Type", "text/plain"))
)
_NO_SUMMARY = Answer("404 Not Found", b"a stream of reports does not contain it: try /api/v1/report\n")
_NOT_FOUND = Answer("404 Not Found", f"not found: try {REPORT}, {SUMMARY} or {EVENTS}\n".encode())


class Document:
    """The JSON of one report."""

    def __init__(self, encode: Callable[[], bytes]) -> None:
        """Create a document; ``encode`` is called at most once."""
        self._encode = encode
        self._plain: bytes | None = None
        self._zipped: bytes | None = None
        self._lock = threading.Lock()

    def plain(self) -> bytes:
        """The document."""
        with self._lock:
            return self._made()

    def zipped(self) -> bytes:
        """The compressed document."""
        with self._lock:
            if self._zipped is None:
                self._zipped = gzip.compress(self._made(), _GZIP_LEVEL, mtime=0)
            return self._zipped

    def _made(self) -> bytes:
        if self._plain is None:
            self._plain = self._encode()
        return self._plain


class Shown(NamedTuple):
    """The documents of one report.

    Attributes:
        number: sequence number of the report.
        unix_seconds: time of the report.
    """

    number: int
    unix_seconds: float
    report: Document
    summary: Document | None


class Documents:
    """The documents of the latest report. One thread sets them, other threads read them."""

    def __init__(self) -> None:
        """Create documents without a report."""
        self._last = LastReport()
        self._summaries = Summaries()
        self._start = secrets.token_hex(4)
        self.shown: Shown | None = None

    def show(self, node: NodeSeen, report: out.Report, unix_seconds: float, compat: Compat | None = None) -> None:
        """Set the latest report.

        Args:
            node: state of the node for this report.
            report: the groups that were due.
            unix_seconds: time of the report.
            compat: the release whose form the report has.
        """
        merged = self._last.take(report, node)
        summary = self._summaries.take(node, unix_seconds)
        number = 1 if self.shown is None else self.shown.number + 1
        self.shown = Shown(
            number,
            unix_seconds,
            Document(lambda: _encode(merged, compat)),
            None if summary is None else Document(lambda: msgspec.json.encode(summary)),
        )

    def answer(self, request: Request, age_seconds: float | None) -> Answer:
        """Return the answer to a request for a document.

        Args:
            request: a request with a path under :data:`PREFIX`.
            age_seconds: age of the latest report.
        """
        if request.path not in (REPORT, SUMMARY):
            return _NOT_FOUND
        shown = self.shown
        if shown is None:
            return _NO_REPORT
        document = shown.report if request.path == REPORT else shown.summary
        if document is None:
            return _NO_SUMMARY
        # A weak tag, because both encodings have the same tag.
        tag = f'W/"{self._start}-{shown.number}"'
        headers = (
            ("ETag", tag),
            ("Last-Modified", email.utils.formatdate(shown.unix_seconds, usegmt=True)),
            ("Age", str(int(age_seconds or 0))),
            ("Cache-Control", "no-cache"),
            ("Vary", "Accept-Encoding"),
        )
        if _matches(request.headers.get("if-none-match", ""), tag):
            return Answer("304 Not Modified", b"", headers)
        if accepts_gzip(request.headers.get("accept-encoding", "")):
            return Answer("200 OK", document.zipped(), (_JSON, *headers, ("Content-Encoding", "gzip")))
        return Answer("200 OK", document.plain(), (_JSON, *headers))


def _matches(header: str, tag: str) -> bool:
    """Return whether ``If-None-Match`` contains the tag; weak and strong tags compare equal."""
    opaque = tag.removeprefix("W/")
    parts = [part.strip() for part in header.split(",")]
    return "*" in parts or any(part.removeprefix("W/") == opaque for part in parts)


def _encode(report: out.Report, compat: Compat | None) -> bytes:
    if compat is None:
        return encode_report(report)
    from neuron_monitor.compat.forms import encode_compat

    return encode_compat(report, compat)
