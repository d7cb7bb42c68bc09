"""Push reports to a collector in a thread, so that a slow or missing collector does not delay the reports."""

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
    """Return the SDK's exporter, which uses its ``OTEL_EXPORTER_OTLP_*`` variables (headers, timeout, certificates)."""
    if endpoint.protocol is Protocol.GRPC:
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter

        return GrpcExporter(endpoint=endpoint.url, insecure=endpoint.insecure)
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter

    return HttpExporter(endpoint=endpoint.url)


class Otlp:
    """Pushes each report, or only the newest if the collector cannot keep up."""

    def __init__(self, address: str, make_exporter: Callable[[Endpoint], MetricExporter] = exporter_for) -> None:
        """Create a sink; nothing is sent before the first report.

        Args:
            address: see :func:`.endpoint.parse_endpoint`.
            make_exporter: creates the exporter.

        Raises:
            UsageError: the address is invalid.
        """
        # This class reports a failure in one line, once.
        logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
        logging.getLogger("opentelemetry").propagate = False
        self._address = address
        self._exporter = make_exporter(parse_endpoint(address, os.environ))
        self._feed = NodeFeed()
        self._totals = Totals()
        self._newest: MetricsData | None = None
        self._closing = False
        self._failing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._push, name="otlp", daemon=True)
        self._thread.start()

    @property
    def watched_fd(self) -> int | None:
        """``None``: there is no reader that could leave."""
        return None

    @property
    def failing(self) -> bool:
        """Whether the collector did not accept the last result that was pushed."""
        return self._failing

    def take(self, look: Look, signals: Signals) -> bool:
        """See :class:`neuron_monitor.stream.Sink`."""
        node = self._feed.take(look)
        data = metrics_data(node, self._totals.update(node.runtimes), time.time_ns())
        with self._changed:
            self._newest = data
            self._changed.notify()
        return not signals.stop

    def _push(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._closing)
                data, self._newest = self._newest, None
            if data is None:
                return
            try:
                failed = self._exporter.export(data) is not MetricExportResult.SUCCESS
                reason = "it does not answer, or refuses"
            except Exception as error:  # an exception would end the thread and the pushing silently
                failed, reason = True, " ".join(str(error).split()) or type(error).__name__
            if failed and not self._failing:
                print(f"neuron-monitor: {self._address}: metrics are being lost: {reason}", file=sys.stderr)
            if self._failing and not failed:
                print(f"neuron-monitor: {self._address}: metrics are being pushed again", file=sys.stderr)
            self._failing = failed

    def reopen(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Push the last report, if that does not take long."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_CLOSE_SECONDS)
        if self._thread.is_alive():
            # Cancel the exporter's wait before a retry.
            self._exporter.shutdown()
            self._thread.join(_CLOSE_SECONDS)
            if self._thread.is_alive() and not self._failing:
                self._failing = True
                print(f"neuron-monitor: {self._address}: metrics are being lost: no response", file=sys.stderr)
        else:
            self._exporter.shutdown()
