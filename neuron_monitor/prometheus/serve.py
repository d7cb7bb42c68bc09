"""A page and its server, for as long as a block lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neuron_monitor.prometheus.http import MetricsServer
from neuron_monitor.prometheus.page import Page

STALE_SECONDS = 60.0
"""An unready exporter is taken out of service, so this allows for reports that are minutes apart at most."""


@contextmanager
def serving(address: str, web_config: Path | None = None, stale_seconds: float = STALE_SECONDS) -> Iterator[Page]:
    """Serve a page that the block fills.

    Args:
        address: where to listen.
        web_config: TLS and users; see :mod:`.webconfig`.
        stale_seconds: from which age of the report on ``/-/ready`` says no.

    Raises:
        NeuronError: the address can't be listened on, or the configuration is wrong.
    """
    page = Page()
    access = None
    if web_config is not None:
        from neuron_monitor.prometheus.access import FileAccess

        access = FileAccess(web_config)
    server = MetricsServer(page, address, stale_seconds=stale_seconds, access=access)
    try:
        yield page
    finally:
        server.close()
