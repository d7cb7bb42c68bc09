"""Buckets of execution durations, classic and native, made of the fine log-linear ones that the driver counts in."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

from runtime_core.telemetry import Histogram

_STEPS = (10, 15, 20, 30, 50, 70)

BOUNDS_NS = (*(step * 10**exponent for exponent in range(3, 9) for step in _STEPS), 10**10)
"""Upper bounds from 10 µs to 10 s, six a decade: a quantile read from them errs by half a step, under 25 %."""

LE_LABELS = (*(repr(bound / 1e9) for bound in BOUNDS_NS), "+Inf")
"""The bounds in seconds as the label ``le`` shows them."""

NATIVE_SCHEMA = 4
"""Native buckets grow by 2**(2**-4), 4.4 %: a quantile read from them errs by 2.2 %."""


class Durations(NamedTuple):
    """How many fell into each classic bucket (not summed up over buckets), and their exact sum."""

    counts: tuple[int, ...]
    sum_ns: int


@functools.cache
def _classic_bucket(fine_index: int) -> int:
    """The classic bucket that all of a fine bucket lies in; one that a bound cuts (0.8 % wide) counts as above it."""
    # The largest latency that a histogram of this bucket alone could have counted is the bucket's upper bound.
    high_ns = Histogram({fine_index: 1}).quantile_ns(1.0) or 0.0
    return next((number for number, bound in enumerate(BOUNDS_NS) if high_ns <= bound), len(BOUNDS_NS))


@functools.cache
def _native_bucket(fine_index: int) -> int:
    """The native bucket of a fine one's middle: bucket N ends at ``2**(N * 2**-NATIVE_SCHEMA)`` seconds."""
    middle_ns = Histogram({fine_index: 1}).quantile_ns(0.5) or 0.0
    return math.ceil(math.log2(middle_ns / 1e9) * (1 << NATIVE_SCHEMA))


def fold(histogram: Histogram) -> Durations:
    """Counts by classic bucket."""
    counts = [0] * len(LE_LABELS)
    for index, count in histogram.buckets.items():
        counts[_classic_bucket(index)] += count
    return Durations(tuple(counts), histogram.sum_ns)


def native(histogram: Histogram) -> dict[int, int]:
    """Counts by native bucket, ascending, only those that counted anything."""
    counts: dict[int, int] = {}
    for index, count in histogram.buckets.items():
        bucket = _native_bucket(index)
        counts[bucket] = counts.get(bucket, 0) + count
    return counts
