"""Where to listen."""

from __future__ import annotations

import ipaddress
import socket

from runtime_core.telemetry import NeuronError, UsageError


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


def listen(address: str, backlog: int) -> socket.socket:
    """A socket that listens, and does not block.

    Args:
        address: see :func:`parse_address`.
        backlog: how many connections may wait to be accepted.

    Raises:
        UsageError: the address is none.
        NeuronError: it is taken, or not of this machine.
    """
    host, port = parse_address(address)
    try:
        if host is None:
            dual = socket.has_dualstack_ipv6()
            family = socket.AF_INET6 if dual else socket.AF_INET
            made = socket.create_server(("", port), family=family, dualstack_ipv6=dual, backlog=backlog)
        else:
            family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            made = socket.create_server((str(place[0]), port), family=family, backlog=backlog)
    except OSError as error:
        raise NeuronError(f"can't listen on {address}: {error.strerror or error}") from None
    made.setblocking(False)
    return made
