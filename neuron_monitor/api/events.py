"""``/api/v1/events``: each report as a server-sent event, for a limited number of clients."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from neuron_monitor.api.documents import Documents, Shown
from neuron_monitor.prometheus.request import Answer

MOST_CLIENTS = 16
HEARTBEAT_SECONDS = 15.0
_HEADERS = (("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"))
_FIRST = b"retry: 5000\n\n"
_HEARTBEAT = b": heartbeat\n\n"

Send = Callable[[bytes], Awaitable[None]]


class Events:
    """Sends each new report. A client that reads slowly misses reports, but never receives outdated ones."""

    def __init__(self, documents: Documents, most: int = MOST_CLIENTS, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        """Create the stream, without clients.

        Args:
            documents: the reports.
            most: maximum number of clients; further clients get 503.
            heartbeat: seconds without a report after which a comment is sent to keep the connection open.
        """
        self._documents = documents
        self._most = most
        self._heartbeat = heartbeat
        self._changed = asyncio.Event()
        self.clients = 0

    def wake(self) -> None:
        """Announce a new report. Call it in the event loop."""
        self._changed.set()
        self._changed = asyncio.Event()

    def answer(self) -> Answer:
        """Return the head of the answer to another client, or a refusal. :meth:`run` sends the events."""
        if self.clients >= self._most:
            refusal = f"too many clients: {self._most} already read events\n".encode()
            return Answer("503 Service Unavailable", refusal, (("Retry-After", "30"), ("Content-Type", "text/plain")))
        return Answer("200 OK", b"", _HEADERS, last=True, streams=True)

    async def run(self, head: bytes, reader: asyncio.StreamReader, send: Send) -> None:
        """Send events until the client disconnects.

        Args:
            head: bytes to send before the events.
            reader: input from the client; any input ends the stream.
            send: sends to the client, within its time limit.
        """
        self.clients += 1
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await send(head + _FIRST)
            number = 0
            while not gone.done():
                changed = asyncio.ensure_future(self._changed.wait())
                try:
                    shown = self._documents.shown
                    if shown is not None and shown.number != number:
                        number = shown.number
                        await send(_event(shown))
                        continue
                    done, _ = await asyncio.wait(
                        (gone, changed), timeout=self._heartbeat, return_when=asyncio.FIRST_COMPLETED
                    )
                    if not done:
                        await send(_HEARTBEAT)
                finally:
                    changed.cancel()
        finally:
            self.clients -= 1
            if not gone.cancel():
                # A connection reset by the client is not an error; an exception that is never retrieved would be
                # logged.
                gone.exception()


def _event(shown: Shown) -> bytes:
    return b"event: report\nid: %d\ndata: %s\n\n" % (shown.number, shown.report.plain())
