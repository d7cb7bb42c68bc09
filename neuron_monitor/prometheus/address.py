"""The address to listen on, and which clients can reach it."""

from __future__ import annotations

import ipaddress
import os
import socket

from runtime_core.telemetry import NeuronError, UsageError


def parse_address(text: str) -> tuple[str | None, int]:
    """Parse ``HOST:PORT``, ``[V6]:PORT`` or ``:PORT``; the host is ``None`` for all addresses of this machine.

    Raises:
        UsageError: the text is not an address.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not port.isascii() or int(port) > 65535:
        raise UsageError(f"{text!r} is not an address to listen on", mend="use HOST:PORT, for example 127.0.0.1:8000")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise UsageError(f"{host!r} is not an IPv6 address", where=f"{text!r}") from None
    elif ":" in host:
        raise UsageError(f"{text!r} is ambiguous", mend="write an IPv6 address in brackets, for example [::1]:8000")
    return host or None, int(port)


def host_and_port(host: str, port: int) -> str:
    """Return ``HOST:PORT``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def only_local(address: str) -> bool:
    """Return whether only this machine (or container) can reach the address; see :func:`parse_address`."""
    host, _ = parse_address(address)
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def in_container() -> bool:
    """Return whether this process runs in a container, detected by files and variables of common container runtimes."""
    marks = ("/.dockerenv", "/run/.containerenv")
    return "KUBERNETES_SERVICE_HOST" in os.environ or "container" in os.environ or any(map(os.path.exists, marks))


def listen(address: str, backlog: int) -> socket.socket:
    """Return a listening, non-blocking socket.

    Args:
        address: see :func:`parse_address`.
        backlog: number of connections that may wait to be accepted.

    Raises:
        UsageError: the text is not an address.
        NeuronError: the address is in use, or is not an address of this machine.
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
        raise NeuronError(f"cannot listen on {address}: {error.strerror or error}") from None
    made.setblocking(False)
    return made
