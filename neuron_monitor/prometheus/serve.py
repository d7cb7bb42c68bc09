"""Serve a page for the duration of a block."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from neuron_monitor.prometheus.address import in_container, only_local, parse_address
from neuron_monitor.prometheus.http import MetricsServer
from neuron_monitor.prometheus.page import Page

if TYPE_CHECKING:
    from neuron_monitor.prometheus.access import FileAccess
    from neuron_monitor.prometheus.certificate import CertificateAccess

_STALE_SECONDS = 60.0


@contextmanager
def serving(
    address: str,
    web_config: Path | None = None,
    *,
    certificate: tuple[Path, Path] | None = None,
    tell: bool = False,
) -> Iterator[Page]:
    """Serve a page that the block fills.

    Args:
        address: address to listen on.
        web_config: file with TLS and users; see :mod:`.webconfig`.
        certificate: files of a certificate and its key, for TLS without a configuration file.
        tell: print the address on stderr.

    Raises:
        NeuronError: the address cannot be used, or the configuration is invalid.
    """
    page = Page()
    access: FileAccess | CertificateAccess | None = None
    if web_config is not None:
        from neuron_monitor.prometheus.access import FileAccess

        access = FileAccess(web_config, refused=page.count_refused_reload)
    elif certificate is not None:
        from neuron_monitor.prometheus.certificate import CertificateAccess

        access = CertificateAccess(*certificate)
    server = MetricsServer(page, address, stale_seconds=_STALE_SECONDS, access=access)
    if tell:
        scheme = "http" if access is None or access.tls is None else "https"
        host, _ = parse_address(address)
        name = "localhost" if host is None else f"[{host}]" if ":" in host else host
        everywhere = " and on every other address" if host is None else ""
        print(f"serving {scheme}://{name}:{server.port}/metrics{everywhere}", file=sys.stderr)
    if only_local(address) and in_container():
        print(
            f"neuron-monitor: {address} is loopback, which nothing outside this container reaches: "
            "listen on another address, for example :8000",
            file=sys.stderr,
            flush=True,
        )
    try:
        yield page
    finally:
        server.close()
