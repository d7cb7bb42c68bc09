"""Where a neuron-monitor serves metrics: HOST:PORT, one or many in a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from runtime_core.telemetry import UsageError, read_regular

_MAX_BYTES = 4 << 20
DEFAULT_PORT = 8000
MAX_ENDPOINTS = 10_000


class Endpoint(NamedTuple):
    """One neuron-monitor.

    Attributes:
        path: of its metrics.
        scheme: http or https.
        name: what it is called; "": by its address.
    """

    host: str
    port: int
    path: str = "/metrics"
    scheme: str = "http"
    name: str = ""

    def __str__(self) -> str:
        """The name, else ``HOST:PORT``, an IPv6 address in brackets."""
        return self.name or self.address

    @property
    def address(self) -> str:
        """``HOST:PORT``, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_endpoint(text: str, default_port: int = DEFAULT_PORT) -> Endpoint:
    """``HOST``, ``HOST:PORT``, ``[IPV6]`` or ``[IPV6]:PORT``.

    Raises:
        UsageError: it is none of these.
    """
    wrong = UsageError(
        f"{text!r} is no HOST:PORT", mend=f"write for example inf1-a:{DEFAULT_PORT} or [::1]:{DEFAULT_PORT}"
    )
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise wrong
        port = rest[1:] if rest else str(default_port)
    else:
        host, colon, port = text.partition(":")
        port = port if colon else str(default_port)
    strange = not host.isprintable() or not host.isascii() or any(c in host for c in " /@?#%\\")
    if not host or strange or not (port.isascii() and port.isdigit()) or not 0 < int(port[:6]) < 65536:
        raise wrong
    return Endpoint(host, int(port))


def read_hostfile(path: Path) -> list[Endpoint]:
    """Read one endpoint per line; empty lines and text after ``#`` are ignored.

    Raises:
        UsageError: the file can't be read, or a line of it is no endpoint.
    """
    try:
        text = read_regular(path, _MAX_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"can't read the host file {path}: {reason}") from error
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.partition("#")[0].strip()
        if entry:
            try:
                found.append(parse_endpoint(entry))
            except UsageError as error:
                raise UsageError(error.what, where=f"{path}, line {number}", mend=error.mend) from error
    return found


def gather_endpoints(given: Iterable[str], hostfile: Path | None) -> list[Endpoint]:
    """Those given and those of the file, in their order.

    Raises:
        UsageError: one is no endpoint.
    """
    listed = [parse_endpoint(part) for text in given for part in text.split(",") if part]
    if hostfile is not None:
        listed += read_hostfile(hostfile)
    return listed


def distinct(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Return each endpoint once, in order; endpoints with the same name are shown with their address.

    Raises:
        UsageError: there is none, or there are too many.
    """
    unique = tuple(dict.fromkeys(endpoints))
    if not unique:
        raise UsageError("no node to watch", mend="name one with --remote, --hostfile, --sd or --prometheus")
    if len(unique) > MAX_ENDPOINTS:
        raise UsageError(f"{len(unique)} nodes are too many: at most {MAX_ENDPOINTS}")
    by_name: dict[str, list[Endpoint]] = {}
    for endpoint in unique:
        by_name.setdefault(str(endpoint), []).append(endpoint)
    return tuple(
        endpoint._replace(name=_longer(endpoint)) if len(by_name[str(endpoint)]) > 1 else endpoint
        for endpoint in unique
    )


def _longer(endpoint: Endpoint) -> str:
    path = "" if endpoint.path == "/metrics" else endpoint.path
    address = f"{endpoint.address}{path}"
    return f"{endpoint.name} ({address})" if endpoint.name else address
