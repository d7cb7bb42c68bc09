"""Combine the values of many reports into few requests: each series keeps its distinct values with their counts.

CloudWatch can then still compute percentiles, and a stream of one report per second costs one request per minute.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TypedDict

from neuron_monitor.cloudwatch.table import Dimensions, Figure

MAX_VALUES_A_DATUM = 150
MAX_DATA_A_REQUEST = 1000
MAX_REQUEST_BYTES = 900_000
"""CloudWatch accepts 1 MB, 1000 data, and 150 distinct values each (quotas of PutMetricData)."""

MAX_DIMENSION_CHARACTERS = 1024


class Dimension(TypedDict):
    """A name and a value that distinguish series of a metric."""

    Name: str
    Value: str


class Datum(TypedDict):
    """An entry of ``MetricData``, as documented for PutMetricData."""

    MetricName: str
    Dimensions: list[Dimension]
    Timestamp: datetime
    Unit: str
    Values: list[float]
    Counts: list[float]


def dimension_value(text: str) -> str:
    """Convert ``text`` to a valid dimension value: printable ASCII, not empty, without a leading colon."""
    printable = "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode() for c in text)
    cut = printable[:MAX_DIMENSION_CHARACTERS]
    if not cut.strip():
        return "-"
    return f"_{cut[1:]}" if cut.startswith(":") else cut


def _data(figure: Figure, values: Counter[float], time: datetime) -> Iterator[Datum]:
    dimensions: list[Dimension] = [{"Name": name, "Value": dimension_value(value)} for name, value in figure.dimensions]
    counted = sorted(values.items())
    for start in range(0, len(counted), MAX_VALUES_A_DATUM):
        part = counted[start : start + MAX_VALUES_A_DATUM]
        yield {
            "MetricName": figure.name,
            "Dimensions": dimensions,
            "Timestamp": time,
            "Unit": str(figure.unit),
            "Values": [value for value, _ in part],
            "Counts": [float(count) for _, count in part],
        }


class Window:
    """Collects values until they are taken; shared by the thread that reads and the thread that sends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[tuple[str, Dimensions], tuple[Figure, Counter[float]]] = {}
        self._seconds = 0.0

    def add(self, figures: Iterable[Figure], unix_seconds: float) -> None:
        """Add the values of a report that arrived at ``unix_seconds``."""
        with self._lock:
            self._seconds = unix_seconds
            for figure in figures:
                key = figure.name, figure.dimensions
                if key not in self._values:
                    self._values[key] = figure, Counter()
                self._values[key][1][figure.value] += 1

    def take(self) -> list[Datum]:
        """Remove and return the collected values, with the time of the latest report."""
        with self._lock:
            values, self._values = self._values, {}
            time = datetime.fromtimestamp(self._seconds, UTC)
        return [datum for figure, counted in values.values() for datum in _data(figure, counted, time)]


def _size_bytes(datum: Datum) -> int:
    """Return an upper bound of the size of a datum in a request, for any protocol of the client.

    The query protocol takes the most space: about 60 bytes per value and 120 per dimension, plus the percent-encoded
    text.
    """
    text = sum(3 * (len(d["Name"]) + len(d["Value"])) + 120 for d in datum["Dimensions"])
    return 400 + text + 2 * 80 * len(datum["Values"])


def batches(data: Iterable[Datum]) -> Iterator[list[Datum]]:
    """Split data into lists that fit into one request each."""
    batch: list[Datum] = []
    size = 0
    for datum in data:
        more = _size_bytes(datum)
        if batch and (len(batch) == MAX_DATA_A_REQUEST or size + more > MAX_REQUEST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(datum)
        size += more
    if batch:
        yield batch
