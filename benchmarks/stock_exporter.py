"""Serve the series of a metrics page (stdin) with prometheus_client's Gauges and server."""

from __future__ import annotations

import sys

from prometheus_client import REGISTRY, Gauge, start_http_server
from prometheus_client.parser import text_string_to_metric_families


def main() -> None:
    """Print the port, and serve until stdin ends for the second time (a line, then the end)."""
    count = int(sys.stdin.readline())
    page = sys.stdin.read(count)
    for collector in list(REGISTRY._collector_to_names):
        REGISTRY.unregister(collector)
    gauges: dict[str, Gauge] = {}
    series = 0
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            gauge = gauges.get(sample.name)
            if gauge is None:
                gauge = gauges[sample.name] = Gauge(sample.name, family.documentation, tuple(sample.labels))
            (gauge.labels(**sample.labels) if sample.labels else gauge).set(sample.value)
            series += 1
    server, _ = start_http_server(0, "127.0.0.1")
    print(server.server_port, series, flush=True)
    sys.stdin.read()


main()
