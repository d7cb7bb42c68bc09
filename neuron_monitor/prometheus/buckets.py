"""Classic and native buckets of execution durations, computed from the driver's fine log-linear buckets."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

from runtime_core.telemetry import Histogram

_STEPS = (10, 15, 20, 30, 50, 70)

BOUNDS_NS = (*(step * 10**exponent for exponent in range(3, 9) for step in _STEPS), 10**10)
"""Upper bounds from 10 µs to 10 s, six per decade: quantiles have an error of half a step, less than 25 %."""

LE_LABELS = (*(repr(bound / 1e9) for bound in BOUNDS_NS), "+Inf")
"""The bounds in seconds, as in the label ``le``."""

NATIVE_SCHEMA = 4
"""Native buckets grow by a factor of 2**(2**-4), 4.4 %: quantiles have an error of 2.2 %."""


class Durations(NamedTuple):
    """The count of each classic bucket (not cumulative), and the exact sum."""

    counts: tuple[int, ...]
    sum_ns: int


@functools.cache
def _classic_bucket(fine_index: int) -> int:
    """Return the classic bucket that contains a fine bucket; one cut by a bound (0.8 % wide) counts as above it."""
    # The largest latency in a histogram with only this bucket is the bucket's upper bound.
    high_ns = Histogram({fine_index: 1}).quantile_ns(1.0) or 0.0
    return next((number for number, bound in enumerate(BOUNDS_NS) if high_ns <= bound), len(BOUNDS_NS))


@functools.cache
def _native_bucket(fine_index: int) -> int:
    """Return the native bucket of the middle of a fine one; bucket N ends at ``2**(N * 2**-NATIVE_SCHEMA)`` seconds."""
    middle_ns = Histogram({fine_index: 1}).quantile_ns(0.5) or 0.0
    return math.ceil(math.log2(middle_ns / 1e9) * (1 << NATIVE_SCHEMA))


def fold(histogram: Histogram) -> Durations:
    """Return the counts by classic bucket."""
    counts = [0] * len(LE_LABELS)
    for index, count in histogram.buckets.items():
        counts[_classic_bucket(index)] += count
    return Durations(tuple(counts), histogram.sum_ns)


def native(histogram: Histogram) -> dict[int, int]:
    """Return the nonzero counts by native bucket, ascending."""
    counts: dict[int, int] = {}
    for index, count in histogram.buckets.items():
        bucket = _native_bucket(index)
        counts[bucket] = counts.get(bucket, 0) + count
    return counts
