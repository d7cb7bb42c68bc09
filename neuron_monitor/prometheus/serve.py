"""A page and its server, for as long as a block lasts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neuron_monitor.prometheus.address import parse_address
from neuron_monitor.prometheus.http import MetricsServer
from neuron_monitor.prometheus.page import Page

_STALE_SECONDS = 60.0


@contextmanager
def serving(address: str, web_config: Path | None = None, *, tell: bool = False) -> Iterator[Page]:
    """Serve a page that the block fills.

    Args:
        address: where to listen.
        web_config: TLS and users; see :mod:`.webconfig`.
        tell: say on stderr where it serves.

    Raises:
        NeuronError: the address can't be listened on, or the configuration is wrong.
    """
    page = Page()
    access = None
    if web_config is not None:
        from neuron_monitor.prometheus.access import FileAccess

        access = FileAccess(web_config, refused=page.count_refused_reload)
    server = MetricsServer(page, address, stale_seconds=_STALE_SECONDS, access=access)
    if tell:
        scheme = "http" if access is None or access.tls is None else "https"
        host, _ = parse_address(address)
        name = "localhost" if host is None else f"[{host}]" if ":" in host else host
        everywhere = " and on every other address" if host is None else ""
        print(f"serving {scheme}://{name}:{server.port}/metrics{everywhere}", file=sys.stderr)
    try:
        yield page
    finally:
        server.close()
