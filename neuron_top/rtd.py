"""neuron-rtd daemons to watch: their addresses, and whether they answer.

A daemon's networks are in the node's own figures, like those of every runtime; its address tells which one it is. A
daemon that was asked for and does not answer is shown as a runtime that can't be read.
"""

from __future__ import annotations

import os
import socket
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from runtime_core.telemetry import Snapshot, Source, UsageError
from runtime_core.telemetry.snapshot import Runtime

DEFAULT_SOCKET = Path("/run/neuron.sock")
_TIMEOUT_SECONDS = 0.5


class RtdAddress(NamedTuple):
    """Where a neuron-rtd listens: a socket's path, or host and port."""

    text: str
    path: str = ""
    host: str = ""
    port: int = 0


def parse_address(text: str) -> RtdAddress:
    """``unix:PATH`` or ``HOST:PORT``, as gRPC writes them.

    Raises:
        UsageError: it is neither.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix://") if text.startswith("unix:///") else text.removeprefix("unix:")
        if path:
            return RtdAddress(text, path=path)
    else:
        host, _, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if host and "/" not in host and port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536:
            return RtdAddress(text, host=host, port=int(port))
    raise UsageError(f"{text!r} is no address of a neuron-rtd", mend="write unix:/run/neuron.sock or HOST:PORT")


def watched_addresses(given: Iterable[str]) -> tuple[RtdAddress, ...]:
    """Those given, else ``$NEURON_RTD_ADDRESS``, else the default socket where it exists.

    Raises:
        UsageError: one is no address.
    """
    texts = list(given) or os.environ.get("NEURON_RTD_ADDRESS", "").replace(",", " ").split()
    if not texts and DEFAULT_SOCKET.exists():
        texts = [f"unix:{DEFAULT_SOCKET}"]
    return tuple(dict.fromkeys(parse_address(text) for text in texts))


def why_unreachable(address: RtdAddress) -> str:
    """Return the reason, empty if a daemon listens there."""
    try:
        if address.path:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(_TIMEOUT_SECONDS)
                client.connect(address.path)
        else:
            socket.create_connection((address.host, address.port), _TIMEOUT_SECONDS).close()
    except OSError as error:
        return f"cannot reach {address.text}: {error.strerror or error}"
    return ""


def _same(address: RtdAddress, other: str) -> bool:
    try:
        return parse_address(other)[1:] == address[1:]
    except UsageError:
        return False


class RtdSource:
    """A source with the daemons that do not answer beside its runtimes."""

    def __init__(self, source: Source, addresses: tuple[RtdAddress, ...]) -> None:
        """Watch ``addresses`` too."""
        self._source = source
        self._addresses = addresses

    @property
    def name(self) -> str:
        """What is read."""
        return self._source.name

    def snapshot(self, *, host: bool = False) -> Snapshot:
        """Look once; see :meth:`runtime_core.telemetry.Source.snapshot`."""
        snapshot = self._source.snapshot(host=host)
        silent = []
        for address in self._addresses:
            # A daemon of this node that lives holds a page of it: there is nothing to ask.
            if not any(_same(address, runtime.address) for runtime in snapshot.runtimes if runtime.address):
                reason = why_unreachable(address)
                if reason:
                    silent.append(_silent(address, reason, snapshot.time_ns))
        return snapshot._replace(runtimes=(*snapshot.runtimes, *silent)) if silent else snapshot

    def pin(self, pid: int, start_ns: int) -> int:
        """See :meth:`runtime_core.telemetry.Source.pin`."""
        return self._source.pin(pid, start_ns)

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def _silent(address: RtdAddress, reason: str, time_ns: int) -> Runtime:
    key = zlib.crc32(address.text.encode("utf-8", "replace"))
    return Runtime(
        0, key, time_ns, -1, address.text, "", "", address.text, {},
        None, None, None, None, None, (), None, reason,
    )  # fmt: skip
