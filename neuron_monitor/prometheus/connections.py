"""Open connections, and the choice of the one to close when another client connects."""

from __future__ import annotations

import asyncio
from collections import Counter


class Connections:
    """Connections by their task. Connections that were scraped are kept longer than others.

    A flood of new connections therefore closes its own connections first, and a Prometheus server that keeps its
    connection open does not have to wait for a new one.
    """

    def __init__(self, most: int) -> None:
        """Create a set without connections.

        Args:
            most: maximum number of open connections.
        """
        self._kept = most // 2
        # Ordered by the time of the last request, the least active first. The values are the clients' hosts.
        self._new: dict[asyncio.Task[None], str] = {}
        self._scraped: dict[asyncio.Task[None], str] = {}

    def __len__(self) -> int:
        return len(self._new) + len(self._scraped)

    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """Return the tasks of all open connections."""
        return (*self._new, *self._scraped)

    def add(self, task: asyncio.Task[None], host: str) -> None:
        """Add a connection from ``host``."""
        self._new[task] = host

    def drop(self, task: asyncio.Task[None]) -> None:
        """Remove a connection, if it is known."""
        self._new.pop(task, None)
        self._scraped.pop(task, None)

    def touch(self, task: asyncio.Task[None], *, scraped: bool = False) -> None:
        """Record a request; ``scraped``: the request received metrics."""
        for kind in (self._new, self._scraped):
            if (host := kind.pop(task, None)) is not None:
                (self._scraped if scraped else kind)[task] = host

    def next_to_close(self) -> asyncio.Task[None]:
        """Return the least active connection of the host with the most connections.

        Connections without a scrape are closed first, unless connections with a scrape take more than half of the
        maximum: a client that scrapes must not keep others out.

        Raises:
            ValueError: no connection is open.
        """
        kind = self._new if self._new and len(self._scraped) <= self._kept else self._scraped
        ((busiest, _),) = Counter(kind.values()).most_common(1)
        return next(task for task, host in kind.items() if host == busiest)
