"""Who may scrape, by a web configuration file that is read again when it, or a certificate it names, changes."""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from neuron_monitor.prometheus.request import Answer, Request
from neuron_monitor.prometheus.tls import names_of_peer, tls_context, tls_files
from neuron_monitor.prometheus.users import TooManyGuessesError, Users
from neuron_monitor.prometheus.webconfig import WebConfig, WebConfigError, load_web_config

_LOOK_SECONDS = 1.0
_PLAIN = ("Content-Type", "text/plain; charset=utf-8")
_CHALLENGE = ("WWW-Authenticate", 'Basic realm="neuron-monitor"')
UNAUTHORIZED = Answer(
    "401 Unauthorized",
    b"user and password are needed\n",
    (_PLAIN, _CHALLENGE),
)
FORBIDDEN = Answer("403 Forbidden", b"the client certificate is not one of those allowed\n")
BUSY = Answer("429 Too Many Requests", b"too many passwords wait to be checked\n", (_PLAIN, ("Retry-After", "5")))

_Stamp = tuple[tuple[int, int, int] | None, ...]


def _stamp(paths: Iterable[Path]) -> _Stamp:
    """Tells files from what they were: a renewed certificate is a link to another file, or a newer one."""
    found: list[tuple[int, int, int] | None] = []
    for path in paths:
        try:
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_ino, status.st_size))
        except OSError:
            found.append(None)
    return tuple(found)


class _State(NamedTuple):
    config: WebConfig
    tls: ssl.SSLContext | None
    stamp: _Stamp


class FileAccess:
    """See :class:`neuron_monitor.prometheus.http.Access`. A broken change is told, and what was before stays."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file.

        Args:
            path: the web configuration.
            clock: seconds; the files are looked at once a second at most, when somebody asks.

        Raises:
            WebConfigError: it can't be used.
        """
        self._path = path
        self._clock = clock
        self._users: Users | None = None
        self._state = self._read(load_web_config(path))
        self._looked = clock()

    def _paths(self, config: WebConfig) -> tuple[Path, ...]:
        tls = config.tls_server_config
        return (self._path, *(() if tls is None else tls_files(tls, self._path.parent)))

    def _read(self, config: WebConfig) -> _State:
        # Stamped before it is read: what changes meanwhile is read again.
        stamp = _stamp(self._paths(config))
        tls = config.tls_server_config
        state = _State(config, None if tls is None else tls_context(tls, self._path.parent), stamp)
        if self._users is not None:
            self._users.close()
        self._users = Users(config.basic_auth_users) if config.basic_auth_users else None
        return state

    def _refresh(self) -> None:
        now = self._clock()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        stamp = _stamp(self._paths(self._state.config))
        if stamp == self._state.stamp:
            return
        try:
            self._state = self._read(load_web_config(self._path))
        except WebConfigError as error:
            # Told once a change, not once a scrape.
            self._state = self._state._replace(stamp=stamp)
            print(f"neuron-monitor: web configuration not reloaded: {error}", file=sys.stderr)

    @property
    def tls(self) -> ssl.SSLContext | None:
        """For the connection that opens now."""
        self._refresh()
        return self._state.tls

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """To send with every answer."""
        return tuple(self._state.config.http_server_config.headers.items())

    async def refusal(self, request: Request, tls: ssl.SSLObject | None) -> Answer | None:
        """The answer to a request that may not pass."""
        self._refresh()
        config = self._state.config
        allowed = config.tls_server_config.client_allowed_sans if config.tls_server_config is not None else ()
        if allowed and (tls is None or not set(allowed).intersection(names_of_peer(tls))):
            return FORBIDDEN
        if self._users is None:
            return None
        try:
            return None if await self._users.knows(request.headers.get("authorization", "")) else UNAUTHORIZED
        except TooManyGuessesError:
            return BUSY
