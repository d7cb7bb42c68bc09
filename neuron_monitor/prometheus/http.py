"""A small HTTP server for scrapes, in a thread of its own: slow, many and odd clients can't hold up collection."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from neuron_monitor.prometheus.page import Page
from neuron_monitor.prometheus.text import OPENMETRICS_TYPE, TEXT_TYPE
from runtime_core import __version__
from runtime_core.telemetry import NeuronError, UsageError

_MAX_HEAD_BYTES = 16 * 1024
_MAX_CONNECTIONS = 256
_HEAD_SECONDS = 10.0
_IDLE_SECONDS = 120.0
_SEND_SECONDS = 30.0

_LANDING = b"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>neuron-monitor</title></head><body>
<h1>neuron-monitor %s</h1><ul><li><a href="/metrics">Metrics</a></li><li><a href="/-/healthy">Healthy</a></li>
<li><a href="/-/ready">Ready</a></li></ul></body></html>
"""


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
    """Status line, further headers and body."""

    status: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/plain; charset=utf-8"),)


BAD_REQUEST = Answer("400 Bad Request", b"bad request\n")
Guard = Callable[[Request], Answer | None]


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


def accepts(header: str, wanted: str) -> bool:
    """Whether an ``Accept`` or ``Accept-Encoding`` header names ``wanted`` with a weight above 0."""
    for part in header.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if name == wanted:
            weights = [p[2:] for p in parameters if p.startswith("q=")]
            with suppress(ValueError):
                return not weights or float(weights[0]) > 0
            return False
    return False


def parse_address(text: str) -> tuple[str | None, int]:
    """Host (``None``: all of this machine's addresses) and port of ``HOST:PORT``, ``[V6]:PORT`` or ``:PORT``.

    Raises:
        UsageError: the text is no address.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not port.isascii() or int(port) > 65535:
        raise UsageError(f"{text!r} is no address to listen on: use HOST:PORT, for example 127.0.0.1:8000")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise UsageError(f"{text!r}: {host!r} is no IPv6 address") from None
    elif ":" in host:
        raise UsageError(f"{text!r}: write an IPv6 address in brackets, for example [::1]:8000")
    return host or None, int(port)


class MetricsServer:
    """Serves a page until it is closed."""

    def __init__(
        self,
        page: Page,
        address: str,
        *,
        stale_seconds: float,
        tls: ssl.SSLContext | None = None,
        guard: Guard | None = None,
    ) -> None:
        """Listen; the thread starts at once.

        Args:
            page: what to serve.
            address: see :func:`parse_address`.
            stale_seconds: from which age of the report on ``/-/ready`` says no.
            tls: for https.
            guard: answers a request that may not pass.

        Raises:
            UsageError: the address is none.
            NeuronError: it is taken, or not of this machine.
        """
        self._page = page
        self._stale_seconds = stale_seconds
        self._guard = guard
        self._tls = tls
        self._connections: dict[asyncio.Task[None], None] = {}
        self._sockets = _listen(address)
        self.port: int = self._sockets[0].getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="scrapes", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, cut what is open, end the thread."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        servers = [
            await asyncio.start_server(
                self._connected,
                sock=sock,
                ssl=self._tls,
                limit=_MAX_HEAD_BYTES,
                ssl_handshake_timeout=None if self._tls is None else _HEAD_SECONDS,
            )
            for sock in self._sockets
        ]
        await self._stop.wait()
        for server in servers:
            server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        if len(self._connections) >= _MAX_CONNECTIONS:
            # Whoever was quiet for longest goes, so that idle clients can't keep a scrape out.
            next(iter(self._connections)).cancel()
        self._connections[task] = None
        try:
            await self._talk(reader, writer, task)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            # Slow, gone, talking too much, or told to stop: nobody is left to tell.
            writer.transport.abort()
        finally:
            self._connections.pop(task, None)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        patience = _HEAD_SECONDS
        while True:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), patience)
            began = time.monotonic()
            if self._connections.pop(task, self) is None:
                self._connections[task] = None
            request = parse_head(head)
            answer = BAD_REQUEST if request is None else self._answer(request)
            keep = request is not None and request.keeps_open
            lines = [
                f"HTTP/1.1 {answer.status}",
                *(f"{name}: {value}" for name, value in answer.headers),
                f"Content-Length: {len(answer.body)}",
                "Connection: keep-alive" if keep else "Connection: close",
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            if request is None or request.method != "HEAD":
                writer.write(answer.body)
            if request is not None and request.path == "/metrics":
                self._page.count_scrape(time.monotonic() - began)
            await asyncio.wait_for(writer.drain(), _SEND_SECONDS)
            if not keep:
                return
            patience = _IDLE_SECONDS

    def _answer(self, request: Request) -> Answer:
        if request.method not in ("GET", "HEAD"):
            return Answer("405 Method Not Allowed", b"GET or HEAD\n", (("Allow", "GET, HEAD"),))
        refused = self._guard(request) if self._guard is not None else None
        if refused is not None:
            return refused
        match request.path:
            case "/metrics":
                return self._metrics(request)
            case "/-/healthy":
                return Answer("200 OK", b"neuron-monitor is healthy\n")
            case "/-/ready":
                age = self._page.age_seconds()
                if age is None:
                    return Answer("503 Service Unavailable", b"no report yet\n")
                if age > self._stale_seconds:
                    return Answer("503 Service Unavailable", f"the last report is {age:.1f} s old\n".encode())
                return Answer("200 OK", b"neuron-monitor is ready\n")
            case "/":
                return Answer("200 OK", _LANDING % __version__.encode(), (("Content-Type", "text/html"),))
            case _:
                return Answer("404 Not Found", b"not found: try /metrics\n")

    def _metrics(self, request: Request) -> Answer:
        openmetrics = accepts(request.headers.get("accept", ""), "application/openmetrics-text")
        zipped = accepts(request.headers.get("accept-encoding", ""), "gzip")
        headers = [("Content-Type", OPENMETRICS_TYPE if openmetrics else TEXT_TYPE), ("Vary", "Accept-Encoding")]
        if zipped:
            headers.append(("Content-Encoding", "gzip"))
        return Answer("200 OK", self._page.scrape(openmetrics=openmetrics, zipped=zipped), tuple(headers))


def _listen(address: str) -> list[socket.socket]:
    host, port = parse_address(address)
    try:
        if host is None:
            dual = socket.has_dualstack_ipv6()
            family = socket.AF_INET6 if dual else socket.AF_INET
            return [socket.create_server(("", port), family=family, dualstack_ipv6=dual, backlog=_MAX_CONNECTIONS)]
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, place = found[0]
        return [socket.create_server((place[0], place[1]), family=family, backlog=_MAX_CONNECTIONS)]
    except OSError as error:
        raise NeuronError(f"can't listen on {address}: {error.strerror or error}") from None
