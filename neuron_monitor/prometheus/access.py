"""Access control for scrapes, from a web configuration file that is reloaded when it changes."""

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
from neuron_monitor.prometheus.webconfig import (
    ClientAuth,
    WebConfig,
    WebConfigError,
    lowered,
    parse_web_config,
    read_web_config,
)

_LOOK_SECONDS = 1.0
_PLAIN = ("Content-Type", "text/plain; charset=utf-8")
_CHALLENGE = ("WWW-Authenticate", 'Basic realm="neuron-monitor"')
UNAUTHORIZED = Answer(
    "401 Unauthorized",
    b"a user and a password are required\n",
    (_PLAIN, _CHALLENGE),
)
FORBIDDEN = Answer("403 Forbidden", b"the client certificate is not allowed\n")
ENCRYPTED_ONLY = Answer("403 Forbidden", b"TLS is required\n", last=True)
BUSY = Answer("429 Too Many Requests", b"too many passwords are being checked\n", (_PLAIN, ("Retry-After", "5")))

_Stamp = tuple[tuple[int, int, int] | None, ...]


def _stamp(paths: Iterable[Path]) -> _Stamp:
    """Return a value that changes when a file changes: a renewed certificate is a link to another file, or is newer."""
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
    ends_with_newline: bool


class FileAccess:
    """Access according to a file; see :class:`neuron_monitor.prometheus.clients.Access`.

    The file is read again when it, or a file named in it, changes. A change that is invalid, incomplete or would lower
    protection is reported and rejected: the previous configuration stays in force. Only a restart lowers protection.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.monotonic,
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        """Read the file.

        Args:
            path: the web configuration.
            clock: returns seconds; files are checked at most once per second, when a client connects or sends a
                request.
            refused: called once per rejected change.

        Raises:
            WebConfigError: the file cannot be used.
        """
        self._path = path
        self._clock = clock
        self._refused = refused
        self._users: Users | None = None
        self._state = self._read()
        self._looked = clock()

    def _stamp_of(self, config: WebConfig) -> _Stamp:
        tls = config.tls_server_config
        return _stamp((self._path, *(() if tls is None else tls_files(tls, self._path.parent))))

    def _read(self, in_force: _State | None = None) -> _State:
        own = _stamp((self._path,))
        content = read_web_config(self._path)
        whole = content.endswith(b"\n")
        config = parse_web_config(content, str(self._path))
        if in_force is not None:
            lost = lowered(in_force.config, config)
            if lost:
                raise WebConfigError(
                    f"it would lower protection ({', '.join(lost)})",
                    where=str(self._path),
                    mend="restart neuron-monitor to apply it anyway",
                )
        if in_force is not None and in_force.ends_with_newline and not whole:
            # A partly written file can be valid at any length, and can allow other clients than the complete file.
            raise WebConfigError("it is incomplete: it does not end with a newline", where=str(self._path))
        # The timestamps are taken before the files are read, so that later changes are detected.
        stamp = self._stamp_of(config)
        tls = config.tls_server_config
        context = None if tls is None else tls_context(tls, self._path.parent)
        if stamp[:1] != own or self._stamp_of(config) != stamp:
            raise WebConfigError("it changed while it was being read", where=str(self._path))
        users = Users(config.basic_auth_users) if config.basic_auth_users else None
        if self._users is not None:
            self._users.close()
        self._users = users
        return _State(config, context, stamp, whole)

    def _refresh(self) -> None:
        now = self._clock()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        stamp = self._stamp_of(self._state.config)
        if stamp == self._state.stamp:
            return
        try:
            self._state = self._read(self._state)
        except WebConfigError as error:
            # Reported once per change, not once per scrape.
            self._state = self._state._replace(stamp=stamp)
            self._refused()
            print(f"neuron-monitor: web configuration not reloaded: {error}", file=sys.stderr)

    @property
    def config(self) -> WebConfig:
        """The configuration in force."""
        self._refresh()
        return self._state.config

    @property
    def tls(self) -> ssl.SSLContext | None:
        """The TLS context for a new connection."""
        self._refresh()
        return self._state.tls

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Headers of every response."""
        return tuple(self._state.config.http_server_config.headers.items())

    async def refusal(self, request: Request, tls: ssl.SSLObject | None) -> Answer | None:
        """Return the response to a request that is refused, or ``None`` if it is accepted."""
        self._refresh()
        wanted = self._state.config.tls_server_config
        if wanted is not None:
            # A connection opened before TLS or client certificates were turned on is closed by that change.
            if tls is None:
                return ENCRYPTED_ONLY
            if wanted.client_auth_type is ClientAuth.REQUIRED and not tls.getpeercert():
                return FORBIDDEN
            allowed = wanted.client_allowed_sans
            if allowed and not set(allowed).intersection(names_of_peer(tls)):
                return FORBIDDEN
        if self._users is None:
            return None
        try:
            return None if await self._users.knows(request.headers.get("authorization", "")) else UNAUTHORIZED
        except TooManyGuessesError:
            return BUSY
