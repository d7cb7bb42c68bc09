"""A page and its server, for as long as a block lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from neuron_monitor.prometheus.http import MetricsServer
from neuron_monitor.prometheus.page import Page

STALE_SECONDS = 60.0
"""An unready exporter is taken out of service, so this allows for reports that are minutes apart at most."""


@contextmanager
def serving(address: str, stale_seconds: float = STALE_SECONDS) -> Iterator[Page]:
    """Serve a page that the block fills.

    Args:
        address: where to listen.
        stale_seconds: from which age of the report on ``/-/ready`` says no.

    Raises:
        NeuronError: the address can't be listened on.
    """
    page = Page()
    server = MetricsServer(page, address, stale_seconds=stale_seconds)
    try:
        yield page
    finally:
        server.close()
