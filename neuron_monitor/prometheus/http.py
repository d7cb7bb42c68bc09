"""A small HTTP server for scrapes in a separate thread, so that clients cannot delay the collection."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress

from neuron_monitor.api.events import Events
from neuron_monitor.prometheus.address import listen
from neuron_monitor.prometheus.clients import Access, Limits, OpenAccess, room_for
from neuron_monitor.prometheus.connections import Connections
from neuron_monitor.prometheus.page import Page
from neuron_monitor.prometheus.request import (
    BAD_REQUEST,
    Answer,
    Request,
    parse_head,
)
from neuron_monitor.prometheus.routes import Routes

_MAX_HEAD_BYTES = 16 * 1024
_PIECE_BYTES = 64 * 1024
"""A body is sent in pieces, so that a connection buffers at most one of them."""

_BACKLOG = 1024
"""Connections that the kernel queues until they are accepted; further clients retry after a second or more."""

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_LOG_SECONDS = 60.0

_GONE = (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError)
"""Slow, disconnected, too long, or cancelled: no response is possible."""


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
            stale_seconds: see :class:`.routes.Routes`.
            access: who may connect; default: every client.
            limits: what clients may use.

        Raises:
            UsageError: the address is invalid.
            NeuronError: the address is in use, or not of this machine.
        """
        self._page = page
        self._access = access or OpenAccess()
        self._limits = limits or Limits()
        self._most = room_for(self._limits.connections)
        self._connections = Connections(self._most)
        self._logged_at: float | None = None
        self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._socket = listen(address, _BACKLOG)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._events = Events(page.documents)
        self._routes = Routes(page, self._events, stale_seconds)
        page.on_show = self._wake
        self._thread = threading.Thread(target=self._run, name="scrapes", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, close all connections, end the thread."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    def _wake(self) -> None:
        """Notify the readers of events of a new report."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._events.wake)

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
        open_now = self._connections.tasks()
        for task in open_now:
            task.cancel()
        await asyncio.gather(accepting, *open_now, return_exceptions=True)
        self._socket.close()
        if self._spare >= 0:
            os.close(self._spare)

    async def _accept(self) -> None:
        while True:
            while len(self._connections) >= self._most:
                await self._evict(f"{self._most} connections are open")
            try:
                client, peer = await self._loop.sock_accept(self._socket)
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    # The client disconnected before it was accepted.
                    await asyncio.sleep(0)
                    continue
                # Other parts of the process hold the descriptors, and the client must not wait for them.
                await self._turn_away(error.strerror or str(error))
                continue
            task = self._loop.create_task(self._connected(client))
            self._connections.add(task, peer[0])
            task.add_done_callback(self._connections.drop)
            # sock_accept does not yield while clients are queued; without this, none is served until all are accepted.
            await asyncio.sleep(0)

    async def _evict(self, reason: str) -> None:
        """Close a connection, and wait until its descriptor is free."""
        task = self._connections.next_to_close()
        self._connections.drop(task)
        self._page.count_eviction()
        self._log(f"{reason}: closing those without a scrape, then those that were idle for longest")
        task.cancel()
        await asyncio.wait((task,), timeout=1.0)
        # The transport closes its socket one turn of the loop later.
        await asyncio.sleep(0)

    async def _turn_away(self, reason: str) -> None:
        if self._connections:
            await self._evict(reason)
            return
        self._log(f"{reason}: connections are closed as they open")
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
        try:
            client, _ = self._socket.accept()
            client.close()
        except OSError:
            await asyncio.sleep(0.05)
        finally:
            with suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        await asyncio.sleep(0)

    def _log(self, text: str) -> None:
        """Log a line, at most once per minute."""
        now = time.monotonic()
        if self._logged_at is None or now - self._logged_at >= _LOG_SECONDS:
            self._logged_at = now
            print(f"neuron-monitor: {text}", file=sys.stderr)

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
            if not await self._reply(head, reader, writer):
                return
            patience = self._limits.idle_seconds

    async def _reply(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Respond to a request; False if it was the last. No part of the response is kept while the client is idle."""
        began = time.monotonic()
        self._touch()
        request = parse_head(head)
        answer = BAD_REQUEST if request is None else await self._answer(request, writer)
        keep = request is not None and request.keeps_open and not answer.last
        lines = [
            f"HTTP/1.1 {answer.status}",
            *(f"{name}: {value}" for name, value in (*answer.headers, *self._access.headers)),
            *((f"Content-Length: {len(answer.body) + len(answer.more)}",) if answer.has_length else ()),
            "Connection: keep-alive" if keep else "Connection: close",
        ]
        parts = ["\r\n".join([*lines, "", ""]).encode()]
        if answer.streams and request is not None and request.method == "GET":
            await self._events.run(parts[0], reader, lambda data: self._push(writer, data))
            return False
        if request is None or request.method != "HEAD":
            parts += (answer.body, answer.more)
        if request is not None and request.path == "/metrics" and answer.status.startswith("200"):
            self._touch(scraped=True)
            self._page.count_scrape(time.monotonic() - began)
        async with asyncio.timeout(self._limits.send_seconds):
            await _send(writer, parts)
        return keep

    async def _push(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Send a part of a stream of events, whose client counts as scraping."""
        self._touch(scraped=True)
        async with asyncio.timeout(self._limits.send_seconds):
            await _send(writer, (data,))

    def _touch(self, *, scraped: bool = False) -> None:
        """Note that this task's connection is active."""
        if (task := asyncio.current_task()) is not None:
            self._connections.touch(task, scraped=scraped)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> Answer:
        refused = await self._access.refusal(request, writer.get_extra_info("ssl_object"))
        if refused is not None:
            return refused
        return self._routes.answer(request)


async def _send(writer: asyncio.StreamWriter, parts: Iterable[bytes]) -> None:
    # Send full segments only, until the end: receivers acknowledge others up to 40 ms late.
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    for part in parts:
        rest = memoryview(part)
        while rest:
            writer.write(rest[:_PIECE_BYTES])
            rest = rest[_PIECE_BYTES:]
            await writer.drain()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
