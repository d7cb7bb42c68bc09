"""Values of many reports as few requests: each series keeps its distinct values and how often each came.

So CloudWatch still answers for percentiles, and a stream of one report a second costs one request a minute.
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
"""CloudWatch takes 1 MB, 1000 data, and 150 distinct values each (its quotas for PutMetricData)."""

MAX_DIMENSION_CHARACTERS = 1024


class Dimension(TypedDict):
    """A name and a value that tell series of a metric apart."""

    Name: str
    Value: str


class Datum(TypedDict):
    """An entry of ``MetricData``, as PutMetricData documents it."""

    MetricName: str
    Dimensions: list[Dimension]
    Timestamp: datetime
    Unit: str
    Values: list[float]
    Counts: list[float]


def dimension_value(text: str) -> str:
    """``text`` in the characters that CloudWatch takes: printable ASCII, not empty, no colon in front."""
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
    """Collects values until they are taken; used by the thread that reads and the thread that sends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[tuple[str, Dimensions], tuple[Figure, Counter[float]]] = {}
        self._seconds = 0.0

    def add(self, figures: Iterable[Figure], unix_seconds: float) -> None:
        """Take the values of a report that came at ``unix_seconds``."""
        with self._lock:
            self._seconds = unix_seconds
            for figure in figures:
                key = figure.name, figure.dimensions
                if key not in self._values:
                    self._values[key] = figure, Counter()
                self._values[key][1][figure.value] += 1

    def take(self) -> list[Datum]:
        """What came since the last time, stamped with the time of the last report."""
        with self._lock:
            values, self._values = self._values, {}
            time = datetime.fromtimestamp(self._seconds, UTC)
        return [datum for figure, counted in values.values() for datum in _data(figure, counted, time)]


def _size_bytes(datum: Datum) -> int:
    """An upper bound of what a datum takes in a request, whichever protocol the client speaks.

    The query protocol is the widest: some 60 bytes a value and 120 a dimension beside its percent-encoded text.
    """
    text = sum(3 * (len(d["Name"]) + len(d["Value"])) + 120 for d in datum["Dimensions"])
    return 400 + text + 2 * 80 * len(datum["Values"])


def batches(data: Iterable[Datum]) -> Iterator[list[Datum]]:
    """Cut into what a request may hold."""
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
