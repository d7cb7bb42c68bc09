"""Parse HTTP requests of scrapers and probes, and the formats that they prefer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple


class Request(NamedTuple):
    """The request line and the headers, with header names in lower case."""

    method: str
    path: str
    version: str
    headers: dict[str, str]

    @property
    def keeps_open(self) -> bool:
        """Whether the client keeps the connection open for further requests."""
        wanted = self.headers.get("connection", "").lower()
        return "close" not in wanted if self.version == "HTTP/1.1" else "keep-alive" in wanted


class Answer(NamedTuple):
    """A response.

    Attributes:
        status: code and reason.
        body: first part of the body, which responses can share.
        headers: headers in addition to those of every response.
        more: the rest of the body.
        last: the connection is closed after the response.
        streams: events follow the response until the client disconnects.
    """

    status: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/plain; charset=utf-8"),)
    more: bytes = b""
    last: bool = False
    streams: bool = False

    @property
    def has_length(self) -> bool:
        """Whether the response has a Content-Length: a stream ends with its connection, and 304 has no body."""
        return not self.streams and not self.status.startswith("304")


_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\0\r\n]*)")
_ONCE = frozenset(("authorization", "content-length", "host", "transfer-encoding"))
"""Headers that must not be repeated, because a proxy could interpret them differently from this server."""

_HTML = frozenset(("text/html", "application/xhtml+xml"))

BAD_REQUEST = Answer("400 Bad Request", b"bad request\n")


def parse_head(head: bytes) -> Request | None:
    """Parse the bytes up to the empty line; return ``None`` if they are malformed, ambiguous, or announce a body."""
    first, *lines = head.decode("latin-1").split("\r\n")
    try:
        method, target, version = first.split(" ")
    except ValueError:
        return None
    if version not in ("HTTP/1.1", "HTTP/1.0") or not target.startswith("/") or not first.isprintable():
        return None
    headers: dict[str, str] = {}
    for line in lines:
        if not line:
            continue
        found = _HEADER.fullmatch(line)
        if found is None:
            return None
        name, value = found[1].lower(), found[2].strip(" \t")
        if name in headers:
            if name in _ONCE:
                return None
            value = f"{headers[name]}, {value}"
        headers[name] = value
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        return None
    return Request(method, target.partition("?")[0], version, headers)


def _weighted(header: str) -> list[tuple[str, dict[str, str], float]]:
    """Return name, parameters and weight (0 to 1) of each part of an ``Accept`` header, the heaviest first."""
    parts = []
    for part in header.split(","):
        name, *pieces = (piece.strip().lower() for piece in part.split(";"))
        parameters = {key.strip(): value.strip() for key, _, value in (piece.partition("=") for piece in pieces)}
        try:
            weight = float(parameters.pop("q", "1"))
        except ValueError:
            weight = 0.0
        if name and 0.0 < weight <= 1.0:
            parts.append((name, parameters, weight))
    return sorted(parts, key=lambda part: -part[2])


def preferred(header: str, offers: Sequence[tuple[str, dict[str, str]]]) -> int | None:
    """Return the offer that an ``Accept`` header prefers.

    Args:
        header: value of the header; malformed parts are ignored.
        offers: media types with their parameters; a part with a different value of one of these does not match.

    Returns:
        Index of the offer; ``None`` if no part names one (a range such as ``*/*`` does not).
    """
    for name, wanted, _ in _weighted(header):
        for number, (offer, parameters) in enumerate(offers):
            if name == offer and all(wanted.get(key, value) == value for key, value in parameters.items()):
                return number
    return None


def prefers_html(header: str) -> bool:
    """Return whether an ``Accept`` header is that of a browser: it contains HTML, and nothing with a higher weight.

    A program that accepts text or any type (``*/*``) is not treated as a browser.
    """
    parts = _weighted(header)
    return not parts or any(name in _HTML and weight == parts[0][2] for name, _, weight in parts)


def accepts_gzip(header: str) -> bool:
    """Return whether an ``Accept-Encoding`` header accepts gzip."""
    return any(name == "gzip" for name, _, _ in _weighted(header))
