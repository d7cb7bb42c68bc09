"""The client of a call, as far as gRPC identifies it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import grpc


class Caller(NamedTuple):
    """The client of a call.

    Attributes:
        identity: equal for all calls of a client: its host (over TCP) and its token. Clients of a Unix socket share one
            identity.
        is_active: whether it still waits for the response.
    """

    identity: str
    is_active: Callable[[], bool]


def host_of(context: grpc.ServicerContext) -> str:
    """The address that a client connects from over TCP; "" for a Unix socket."""
    kind, _, place = context.peer().partition(":")
    return place.rpartition(":")[0] if kind in ("ipv4", "ipv6") else ""


def caller_of(context: grpc.ServicerContext) -> Caller:
    """The client of a call."""
    shown = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    token = "".join(value if isinstance(value, str) else value.decode("utf-8", "replace") for value in shown)
    # A hash, so that tables do not contain the token itself.
    mark = hashlib.sha256(token.encode()).hexdigest() if token else ""
    return Caller(f"{host_of(context)} {mark}", context.is_active)
