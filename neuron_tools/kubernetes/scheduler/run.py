"""Run the scheduler extension."""

from __future__ import annotations

import logging

from neuron_monitor.signals import handled
from neuron_tools.kubernetes.cluster import OfficialCluster
from neuron_tools.kubernetes.scheduler.extender import Extender
from neuron_tools.kubernetes.scheduler.http import ExtenderServer
from runtime_core.errors import NeuronError, UsageError

log = logging.getLogger("neuron-scheduler")
log.addHandler(logging.NullHandler())


def parse_listen(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``; without a host, loopback.

    Raises:
        UsageError: the text is not in that form.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"{text!r} is not an address", mend="use HOST:PORT, for example 127.0.0.1:12345")
    return host.strip("[]") or "127.0.0.1", int(port)


def serve(listen: str, server: str | None) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        NeuronError: there is no cluster, or the address cannot be bound.
    """
    address = parse_listen(listen)
    extender = Extender(OfficialCluster(server))
    try:
        listener = ExtenderServer(extender, address)
    except OSError as error:
        raise NeuronError(f"cannot listen: {error.strerror}", where=listen, mend="choose another --listen") from None
    try:
        log.info("listening on %s:%d", *listener.server_address[:2])
        extender.start(wait_seconds=0.0)
        with handled() as signals:
            while not signals.stop:
                signals.wait(None)
    finally:
        listener.close()
        extender.close()
