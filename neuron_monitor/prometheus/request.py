"""HTTP requests of scrapers and probes: what they ask, and what they would rather have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Request(NamedTuple):
    """A request's line and headers; header names in lower case."""

    method: str
    path: str
    version: str
    headers: dict[str, str]

    @property
    def keeps_open(self) -> bool:
        """Whether the client wants to ask more on this connection."""
        wanted = self.headers.get("connection", "").lower()
        return "close" not in wanted if self.version == "HTTP/1.1" else "keep-alive" in wanted


class Answer(NamedTuple):
    """Status line, body, further headers, and what else belongs to the body (so that parts of it can be shared)."""

    status: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/plain; charset=utf-8"),)
    more: bytes = b""


BAD_REQUEST = Answer("400 Bad Request", b"bad request\n")


def parse_head(head: bytes) -> Request | None:
    """A request from the bytes up to its empty line; ``None`` when it is none, or brings a body."""
    try:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, version = first.split(" ")
        pairs = [line.split(":", 1) for line in lines if line]
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
    except ValueError:
        return None
    if version not in ("HTTP/1.1", "HTTP/1.0") or not target.startswith("/"):
        return None
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        return None
    return Request(method, target.partition("?")[0], version, headers)


def _weighted(header: str) -> list[tuple[str, dict[str, str], float]]:
    """Name, parameters and weight (0 to 1) of each part of an ``Accept`` header; heaviest first, else as they stand."""
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
    """Which offer an ``Accept`` header likes best.

    Args:
        header: the header's value; what it does not understand it leaves out.
        offers: media type and the parameters it has; a client that names other values of these does not mean it.

    Returns:
        Index of the offer; ``None`` when none is named (a range like ``*/*`` names none).
    """
    for name, wanted, _ in _weighted(header):
        for number, (offer, parameters) in enumerate(offers):
            if name == offer and all(wanted.get(key, value) == value for key, value in parameters.items()):
                return number
    return None


def accepts_gzip(header: str) -> bool:
    """Whether an ``Accept-Encoding`` header takes gzip."""
    return any(name == "gzip" for name, _, _ in _weighted(header))
