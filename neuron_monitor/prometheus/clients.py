"""Which clients may scrape, and the connections and time that they may use."""

from __future__ import annotations

import resource
import ssl
from typing import NamedTuple, Protocol

from neuron_monitor.prometheus.request import (
    Answer,
    Request,
)

_OTHER_DESCRIPTORS = 64
"""Reserved for the collection, files and sockets of the rest of the process."""


class Limits(NamedTuple):
    """Resources that clients may use.

    Attributes:
        connections: open at a time; for one more, another is closed: see :class:`.connections.Connections`. Fewer if
            the process may open fewer descriptors.
        head_seconds: for the TLS handshake, and for a request to arrive.
        idle_seconds: between requests.
        send_seconds: for the client to receive an answer.
    """

    connections: int = 128
    head_seconds: float = 10.0
    idle_seconds: float = 120.0
    send_seconds: float = 30.0


class Access(Protocol):
    """Decides which clients may connect."""

    @property
    def tls(self) -> ssl.SSLContext | None:
        """For a new connection; ``None``: no TLS."""
        ...

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Headers of every response."""
        ...

    async def refusal(self, request: Request, tls: ssl.SSLObject | None) -> Answer | None:
        """The response to a refused request; ``None``: it is accepted."""
        ...


class OpenAccess:
    """Every client, without TLS."""

    tls: ssl.SSLContext | None = None
    headers: tuple[tuple[str, str], ...] = ()

    async def refusal(self, request: Request, tls: ssl.SSLObject | None) -> Answer | None:
        """None."""
        return None


def room_for(wanted: int) -> int:
    """The number of connections that the process can open: ``wanted``, or fewer because of its descriptor limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, soft - _OTHER_DESCRIPTORS))
