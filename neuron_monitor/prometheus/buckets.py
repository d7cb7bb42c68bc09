"""Classic buckets of execution durations, folded from the fine log-linear ones that the driver counts in."""

from __future__ import annotations

import functools

from neuron_monitor.prometheus.seen import Durations
from runtime_core.telemetry import Histogram

_STEPS = (10, 15, 20, 30, 50, 70)

BOUNDS_NS = (*(step * 10**exponent for exponent in range(3, 9) for step in _STEPS), 10**10)
"""Upper bounds from 10 µs to 10 s, six a decade: a quantile read from them errs by half a step, under 25 %."""

LE_LABELS = (*(repr(bound / 1e9) for bound in BOUNDS_NS), "+Inf")
"""The bounds in seconds as the label ``le`` shows them."""


@functools.cache
def _bucket_of(fine_index: int) -> int:
    """The classic bucket that all of a fine bucket lies in; one that a bound cuts (0.8 % wide) counts as above it."""
    # The largest latency that a histogram of this bucket alone could have counted is the bucket's upper bound.
    high_ns = Histogram({fine_index: 1}).quantile_ns(1.0) or 0.0
    return next((number for number, bound in enumerate(BOUNDS_NS) if high_ns <= bound), len(BOUNDS_NS))


def fold(histogram: Histogram) -> Durations:
    """Counts by classic bucket (not summed up over buckets)."""
    counts = [0] * len(LE_LABELS)
    for index, count in histogram.buckets.items():
        counts[_bucket_of(index)] += count
    return Durations(tuple(counts), histogram.sum_ns)


def plus(one: Durations | None, other: Durations | None) -> Durations | None:
    """Both together."""
    if one is None or other is None:
        return other if one is None else one
    return Durations(tuple(a + b for a, b in zip(one.counts, other.counts, strict=True)), one.sum_ns + other.sum_ns)
