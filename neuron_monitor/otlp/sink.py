"""Reports pushed to a collector, by a thread of its own: a slow collector, or none, cannot hold up the reports."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable

from neuron_console.extras import requires
from neuron_monitor.collector import Look
from neuron_monitor.otlp.endpoint import Endpoint, Protocol, parse_endpoint
from neuron_monitor.prometheus.from_node import NodeFeed
from neuron_monitor.prometheus.totals import Totals
from neuron_monitor.signals import Signals

with requires("otel"):
    from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData

    from neuron_monitor.otlp.data import metrics_data

_CLOSE_SECONDS = 3.0


def exporter_for(endpoint: Endpoint) -> MetricExporter:
    """The SDK's exporter; its ``OTEL_EXPORTER_OTLP_*`` variables (headers, timeout, certificates) hold."""
    if endpoint.protocol is Protocol.GRPC:
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter

        return GrpcExporter(endpoint=endpoint.url, insecure=endpoint.insecure)
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter

    return HttpExporter(endpoint=endpoint.url)


class Otlp:
    """Pushes each report, or the newest when the collector cannot keep up."""

    def __init__(self, address: str, make_exporter: Callable[[Endpoint], MetricExporter] = exporter_for) -> None:
        """Nothing is sent before the first report.

        Args:
            address: see :func:`.endpoint.parse_endpoint`.
            make_exporter: what pushes.

        Raises:
            UsageError: the address is none.
        """
        # A failure is reported here, in one line, once.
        logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
        logging.getLogger("opentelemetry").propagate = False
        self._address = address
        self._exporter = make_exporter(parse_endpoint(address, os.environ))
        self._feed = NodeFeed()
        self._totals = Totals()
        self._newest: MetricsData | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._push, name="otlp", daemon=True)
        self._thread.start()

    @property
    def watched_fd(self) -> int | None:
        """Nobody's leaving ends it."""
        return None

    def take(self, look: Look, signals: Signals) -> bool:
        """See :class:`neuron_monitor.stream.Sink`."""
        node = self._feed.take(look)
        data = metrics_data(node, self._totals.update(node.runtimes), time.time_ns())
        with self._changed:
            self._newest = data
            self._changed.notify()
        return not signals.stop

    def _push(self) -> None:
        failing = False
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._closing)
                data, self._newest = self._newest, None
            if data is None:
                return
            try:
                failed = self._exporter.export(data) is not MetricExportResult.SUCCESS
                reason = "it does not answer, or refuses"
            except Exception as error:  # a thread that ends would end the pushing without a word
                failed, reason = True, " ".join(str(error).split()) or type(error).__name__
            if failed and not failing:
                print(f"neuron-monitor: {self._address}: metrics are being lost: {reason}", file=sys.stderr)
            if failing and not failed:
                print(f"neuron-monitor: {self._address}: metrics are being pushed again", file=sys.stderr)
            failing = failed

    def reopen(self) -> None:
        """There is nothing to open."""

    def close(self) -> None:
        """What was taken is still pushed, if that goes fast."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_CLOSE_SECONDS)
        if self._thread.is_alive():
            # Ends the exporter's waiting to try again.
            self._exporter.shutdown()
            self._thread.join(_CLOSE_SECONDS)
        else:
            self._exporter.shutdown()
