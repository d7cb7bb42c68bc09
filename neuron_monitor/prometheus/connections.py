"""Open connections, and which of them to close when one more arrives."""

from __future__ import annotations

import asyncio
from collections import Counter


class Connections:
    """Connections by their task. Those that were scraped stay longer than those that were not.

    A flood of new connections therefore closes its own connections first: a Prometheus server that keeps its
    connection open need not queue for a new one.
    """

    def __init__(self, most: int) -> None:
        """None is open.

        Args:
            most: that may be open at a time.
        """
        self._kept = most // 2
        # Each in the order of the last request: the first was quiet for longest. The values are the clients' hosts.
        self._new: dict[asyncio.Task[None], str] = {}
        self._scraped: dict[asyncio.Task[None], str] = {}

    def __len__(self) -> int:
        return len(self._new) + len(self._scraped)

    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """Those of all open connections."""
        return (*self._new, *self._scraped)

    def add(self, task: asyncio.Task[None], host: str) -> None:
        """Note a connection from ``host``."""
        self._new[task] = host

    def drop(self, task: asyncio.Task[None]) -> None:
        """Forget a connection, if it is known."""
        self._new.pop(task, None)
        self._scraped.pop(task, None)

    def touch(self, task: asyncio.Task[None], *, scraped: bool = False) -> None:
        """Note a request; ``scraped``: it was granted the metrics."""
        for kind in (self._new, self._scraped):
            if (host := kind.pop(task, None)) is not None:
                (self._scraped if scraped else kind)[task] = host

    def next_to_close(self) -> asyncio.Task[None]:
        """The quietest connection of the host that has most of them.

        Connections without a scrape come first, unless those with one hold more than half of the room: a client
        that scrapes must not keep others out.

        Raises:
            ValueError: no connection is open.
        """
        kind = self._new if self._new and len(self._scraped) <= self._kept else self._scraped
        ((busiest, _),) = Counter(kind.values()).most_common(1)
        return next(task for task, host in kind.items() if host == busiest)
