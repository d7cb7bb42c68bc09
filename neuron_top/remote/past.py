"""What a Prometheus knows of a node's, or of all nodes', last hours: values for charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from neuron_top.remote.endpoint import Endpoint
from neuron_top.remote.prometheus import Point, Prometheus, queries

SPANS_SECONDS = (900.0, 3600.0, 6 * 3600.0, 24 * 3600.0, 7 * 24 * 3600.0)
_LEAST_SCRAPES = 4
"""A rate needs two scrapes, and one or the other fails."""

Values = tuple[float | None, ...]


class Past(NamedTuple):
    """Values of a span, two to a cell of a chart; ``None`` where Prometheus has none.

    Attributes:
        end_unix_seconds: when the last column ends.
        latency_p99_ns: of the worst runtime.
    """

    end_unix_seconds: float
    span_seconds: float
    utilization: Values
    executions_per_second: Values
    failures_per_second: Values
    latency_p99_ns: Values
    device_memory_bytes: Values


def past_of(
    prometheus: Prometheus, endpoint: Endpoint | None, span_seconds: float, columns: int, end_unix_seconds: float
) -> Past:
    """Query a Prometheus.

    Args:
        prometheus: the server.
        endpoint: a node; ``None``: all of them.
        span_seconds: how far back.
        columns: of the chart.
        end_unix_seconds: now.

    Raises:
        NodeError: it does not answer, or refuses a query.
    """
    columns = max(1, min(2000, columns))
    step = span_seconds / columns
    # Multiples of the step: the same moments are asked for again, and curves do not shiver.
    end = end_unix_seconds // step * step
    start = end - (columns - 1) * step
    window = max(step, _LEAST_SCRAPES * prometheus.scrape_seconds)
    utilization, executions, failures, latency, memory = (
        _columns(prometheus.values(query, start, end, step), start, step, columns)
        for query in queries(endpoint, window)
    )
    nanoseconds = tuple(None if value is None else value * 1e9 for value in latency)
    return Past(end, span_seconds, utilization, executions, failures, nanoseconds, memory)


def _columns(points: Sequence[Point], start: float, step: float, columns: int) -> Values:
    """Values by column; a point that does not belong to one is left out."""
    found: list[float | None] = [None] * columns
    for point in points:
        column = round((point.unix_seconds - start) / step)
        if 0 <= column < columns:
            found[column] = point.value
    return tuple(found)
