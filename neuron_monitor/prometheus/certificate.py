"""TLS with one certificate, given by ``--cert-file`` and ``--key-file``; a renewed certificate is reloaded."""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path

from neuron_monitor.prometheus.access import ENCRYPTED_ONLY
from neuron_monitor.prometheus.request import Answer, Request
from neuron_monitor.prometheus.tls import tls_context
from neuron_monitor.prometheus.webconfig import TlsConfig, WebConfigError

_LOOK_SECONDS = 1.0
_Stamp = tuple[tuple[int, int], ...]


class CertificateAccess:
    """Access for every client, over TLS; see :class:`neuron_monitor.prometheus.clients.Access`."""

    headers: tuple[tuple[str, str], ...] = ()

    def __init__(self, cert: Path, key: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read both files (PEM).

        Raises:
            WebConfigError: a file is missing or invalid, or the key does not match the certificate.
        """
        self._files = cert.absolute(), key.absolute()
        self._config = TlsConfig(str(self._files[0]), str(self._files[1]))
        self._clock = clock
        self._stamp = self._stamp_now()
        self._context = tls_context(self._config, Path("/"))
        self._looked = clock()

    def _stamp_now(self) -> _Stamp:
        found = []
        for path in self._files:
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((status.st_mtime_ns, status.st_ino))
        return tuple(found)

    @property
    def tls(self) -> ssl.SSLContext:
        """The TLS context for a new connection; the files are checked at most once per second."""
        now = self._clock()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked, stamp = now, self._stamp_now()
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._context = tls_context(self._config, Path("/"))
                except WebConfigError as error:
                    # A certificate and its key are not renewed simultaneously.
                    print(f"neuron-monitor: certificate not reloaded: {error}", file=sys.stderr, flush=True)
        return self._context

    async def refusal(self, request: Request, tls: ssl.SSLObject | None) -> Answer | None:
        """Refuse unencrypted requests."""
        return ENCRYPTED_ONLY if tls is None else None
