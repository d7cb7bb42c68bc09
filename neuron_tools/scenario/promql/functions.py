"""PromQL's functions over ranges and histograms, as Prometheus 2 computes them."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable

from neuron_tools.scenario.promql.series import NAME, Labels, Sample, Window


@functools.lru_cache(maxsize=1 << 14)
def without(labels: Labels, *names: str) -> Labels:
    """``labels`` less those."""
    return tuple(pair for pair in labels if pair[0] not in names)


def _increase(window: Window, at_seconds: float, range_seconds: float, *, per_second: bool) -> float | None:
    """``increase`` and ``rate``: extrapolated to the range's ends, as far as they are near; resets are added up.

    Source: ``extrapolatedRate`` of Prometheus' ``promql/functions.go``.
    """
    times, values = window.times, window.values
    if len(values) < 2:
        return None
    total = values[-1] - values[0]
    for before, after in itertools.pairwise(values):
        if after < before:
            total += before
    to_start, to_end = times[0] - (at_seconds - range_seconds), at_seconds - times[-1]
    sampled = times[-1] - times[0]
    average = sampled / (len(values) - 1)
    if total > 0 and values[0] >= 0:
        # A counter cannot have been below zero.
        to_start = min(to_start, sampled * values[0] / total)
    threshold = average * 1.1
    spanned = sampled
    spanned += to_start if to_start < threshold else average / 2
    spanned += to_end if to_end < threshold else average / 2
    factor = spanned / sampled
    return total * factor / range_seconds if per_second else total * factor


def _over_time(fold: Callable[[list[float]], float]) -> Callable[[Window, float, float], float | None]:
    return lambda window, _at, _range: fold(window.values)


RANGE_FUNCTIONS: dict[str, Callable[[Window, float, float], float | None]] = {
    "rate": lambda window, at, span: _increase(window, at, span, per_second=True),
    "increase": lambda window, at, span: _increase(window, at, span, per_second=False),
    "min_over_time": _over_time(min),
    "max_over_time": _over_time(max),
    "sum_over_time": _over_time(sum),
    "avg_over_time": _over_time(lambda values: sum(values) / len(values)),
    "count_over_time": _over_time(lambda values: float(len(values))),
    "last_over_time": _over_time(lambda values: values[-1]),
}

AGGREGATIONS: dict[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "min": min,
    "max": max,
    "avg": lambda values: sum(values) / len(values),
    "count": lambda values: float(len(values)),
}


def histogram_quantile(ratio: float, buckets: Iterable[Sample]) -> list[Sample]:
    """Quantiles of classic histograms, interpolated within the bucket; the label ``le`` is dropped."""
    groups: dict[Labels, list[tuple[float, float]]] = {}
    for labels, value in buckets:
        bound = dict(labels).get("le")
        if bound is not None:
            groups.setdefault(without(labels, "le", NAME), []).append((float(bound), value))
    return [Sample(labels, _quantile(ratio, sorted(group))) for labels, group in groups.items()]


def _quantile(ratio: float, buckets: list[tuple[float, float]]) -> float:
    total = buckets[-1][1]
    if len(buckets) < 2 or not math.isinf(buckets[-1][0]) or total == 0 or math.isnan(total):
        return math.nan
    rank = ratio * total
    index = next((i for i, (_, count) in enumerate(buckets) if count >= rank), len(buckets) - 1)
    if index == len(buckets) - 1:
        return buckets[-2][0]
    upper, count = buckets[index]
    if index == 0:
        return upper * rank / count if upper > 0 else upper
    lower, below = buckets[index - 1]
    return lower + (upper - lower) * (rank - below) / (count - below)
