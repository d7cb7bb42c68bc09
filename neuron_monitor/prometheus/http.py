"""A small HTTP server for scrapes, in a thread of its own: slow, many and odd clients can't hold up collection."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple, Protocol

from neuron_monitor.prometheus.address import listen
from neuron_monitor.prometheus.page import Page
from neuron_monitor.prometheus.request import BAD_REQUEST, Answer, Request, accepts_gzip, parse_head, preferred
from neuron_monitor.prometheus.text import Format
from runtime_core import __version__

_MAX_HEAD_BYTES = 16 * 1024
_PIECE_BYTES = 64 * 1024
"""A body goes out in pieces, so that a connection holds no more than one of its own."""

_MISSED_REPORTS = 3
_LANDING = b"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>neuron-monitor</title></head><body>
<h1>neuron-monitor %s</h1><ul><li><a href="/metrics">Metrics</a></li><li><a href="/-/healthy">Healthy</a></li>
<li><a href="/-/ready">Ready</a></li></ul></body></html>
"""
_OFFERS = tuple((offer.media_type, offer.parameters) for offer in Format)
_GONE = (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError)
"""Slow, gone, talking too much, or told to stop: nobody is left to tell."""


class Limits(NamedTuple):
    """How much a client may ask for.

    Attributes:
        connections: at a time; one more and the one that was quiet for longest goes.
        head_seconds: for TLS, and for a request to come in.
        idle_seconds: between requests.
        send_seconds: for an answer to be taken.
    """

    connections: int = 128
    head_seconds: float = 10.0
    idle_seconds: float = 120.0
    send_seconds: float = 30.0


class Access(Protocol):
    """Who may come in, and how."""

    @property
    def tls(self) -> ssl.SSLContext | None:
        """For the connection that opens now; ``None``: it is plain."""
        ...

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """To send with every answer."""
        ...

    async def refusal(self, request: Request, tls: ssl.SSLObject | None) -> Answer | None:
        """The answer to a request that may not pass."""
        ...


class OpenAccess:
    """Everybody, in plain text."""

    tls: ssl.SSLContext | None = None
    headers: tuple[tuple[str, str], ...] = ()

    async def refusal(self, request: Request, tls: ssl.SSLObject | None) -> Answer | None:
        """None."""
        return None


class MetricsServer:
    """Serves a page until it is closed."""

    def __init__(
        self,
        page: Page,
        address: str,
        *,
        stale_seconds: float,
        access: Access | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Listen; the thread starts at once.

        Args:
            page: what to serve.
            address: see :func:`.address.parse_address`.
            stale_seconds: from which age of the report on ``/-/ready`` says no; where reports are far apart, when some
                did not come.
            access: who may come in; default: everybody.
            limits: what clients may ask for.

        Raises:
            UsageError: the address is none.
            NeuronError: it is taken, or not of this machine.
        """
        self._page = page
        self._stale_seconds = stale_seconds
        self._access = access or OpenAccess()
        self._limits = limits or Limits()
        self._connections: dict[asyncio.Task[None], None] = {}
        self._socket = listen(address, self._limits.connections)
        self.port: int = self._socket.getsockname()[1]
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
        accepting = self._loop.create_task(self._accept())
        await self._stop.wait()
        accepting.cancel()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(accepting, *self._connections, return_exceptions=True)
        self._socket.close()

    async def _accept(self) -> None:
        while True:
            try:
                client, _ = await self._loop.sock_accept(self._socket)
            except OSError:
                # Gone again before it was taken, or no descriptor is free: others will be closed.
                await asyncio.sleep(0.05)
                continue
            if len(self._connections) >= self._limits.connections:
                # Idle clients can't keep a scrape out; nor can those that never end their TLS handshake.
                next(iter(self._connections)).cancel()
            task = self._loop.create_task(self._connected(client))
            self._connections[task] = None
            task.add_done_callback(self._connections.pop)

    async def _connected(self, client: socket.socket) -> None:
        reader = asyncio.StreamReader(_MAX_HEAD_BYTES, self._loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=self._loop)
        tls = self._access.tls
        patience = None if tls is None else self._limits.head_seconds
        try:
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: protocol, client, ssl=tls, ssl_handshake_timeout=patience, ssl_shutdown_timeout=patience
            )
        except _GONE:
            client.close()
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
        try:
            await self._talk(reader, writer)
        except _GONE:
            transport.abort()
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        patience = self._limits.head_seconds
        while True:
            async with asyncio.timeout(patience):
                head = await reader.readuntil(b"\r\n\r\n")
            if not await self._reply(head, writer):
                return
            patience = self._limits.idle_seconds

    async def _reply(self, head: bytes, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; False when it was the last. Nothing of the answer is kept while the client is idle."""
        began = time.monotonic()
        self._stays()
        request = parse_head(head)
        answer = BAD_REQUEST if request is None else await self._answer(request, writer)
        keep = request is not None and request.keeps_open
        lines = [
            f"HTTP/1.1 {answer.status}",
            *(f"{name}: {value}" for name, value in (*answer.headers, *self._access.headers)),
            f"Content-Length: {len(answer.body) + len(answer.more)}",
            "Connection: keep-alive" if keep else "Connection: close",
        ]
        parts = ["\r\n".join([*lines, "", ""]).encode()]
        if request is None or request.method != "HEAD":
            parts += (answer.body, answer.more)
        if request is not None and request.path == "/metrics":
            self._page.count_scrape(time.monotonic() - began)
        async with asyncio.timeout(self._limits.send_seconds):
            await _send(writer, parts)
        return keep

    def _stays(self) -> None:
        """The connection of this task is not the one that was quiet for longest."""
        task = asyncio.current_task()
        if task in self._connections:
            del self._connections[task]
            self._connections[task] = None

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> Answer:
        refused = await self._access.refusal(request, writer.get_extra_info("ssl_object"))
        if refused is not None:
            return refused
        if request.method not in ("GET", "HEAD"):
            return Answer("405 Method Not Allowed", b"GET or HEAD\n", (("Allow", "GET, HEAD"),))
        match request.path:
            case "/metrics":
                return self._metrics(request)
            case "/-/healthy":
                return Answer("200 OK", b"neuron-monitor is healthy\n")
            case "/-/ready":
                return self._ready()
            case "/":
                return Answer("200 OK", _LANDING % __version__.encode(), (("Content-Type", "text/html"),))
            case _:
                return Answer("404 Not Found", b"not found: try /metrics\n")

    def _ready(self) -> Answer:
        age = self._page.age_seconds()
        if age is None:
            return Answer("503 Service Unavailable", b"no report yet\n")
        if age > max(self._stale_seconds, _MISSED_REPORTS * self._page.interval_seconds):
            return Answer("503 Service Unavailable", f"the last report is {age:.1f} s old\n".encode())
        return Answer("200 OK", b"neuron-monitor is ready\n")

    def _metrics(self, request: Request) -> Answer:
        liked = preferred(request.headers.get("accept", ""), _OFFERS)
        form = self._page.available(Format.TEXT if liked is None else tuple(Format)[liked])
        zipped = accepts_gzip(request.headers.get("accept-encoding", ""))
        headers = [("Content-Type", form.content_type), ("Vary", "Accept, Accept-Encoding")]
        if zipped:
            headers.append(("Content-Encoding", "gzip"))
        body, more = self._page.scrape(form, zipped=zipped)
        return Answer("200 OK", body, tuple(headers), more)


async def _send(writer: asyncio.StreamWriter, parts: Iterable[bytes]) -> None:
    # Full segments alone until the end: a receiver acknowledges others up to 40 ms late, and then all wait.
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    for part in parts:
        rest = memoryview(part)
        while rest:
            writer.write(rest[:_PIECE_BYTES])
            rest = rest[_PIECE_BYTES:]
            await writer.drain()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
