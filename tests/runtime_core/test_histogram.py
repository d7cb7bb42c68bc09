"""Buckets are narrow, merging is lossless, quantiles are within a bucket."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from runtime_core.histogram import BUCKET_COUNT, Histogram, bucket_bounds_ns, bucket_index

latencies = st.integers(0, 1 << 45)
lists = st.lists(st.integers(1024, 1 << 40), min_size=1, max_size=200)


def histogram(values):
    buckets = {}
    for value in values:
        index = bucket_index(value)
        buckets[index] = buckets.get(index, 0) + 1
    return Histogram(dict(sorted(buckets.items())), sum(values))


def words(plain):
    """The same in the form of a page: the counts from the first used bucket to the last."""
    indexes = range(min(plain.buckets), max(plain.buckets) + 1)
    counts = [plain.buckets.get(index, 0) for index in indexes]
    return Histogram.from_words(struct.pack(f"<{len(counts)}Q", *counts), indexes.start, plain.sum_ns)


@given(latencies)
def test_a_value_lies_in_its_bucket(value):
    index = bucket_index(value)
    low, high = bucket_bounds_ns(index)
    assert 0 <= index < BUCKET_COUNT
    assert low <= value
    assert value < high or index == BUCKET_COUNT - 1


@given(st.integers(1, BUCKET_COUNT - 2))
def test_no_bucket_is_wider_than_one_percent_and_none_is_missing(index):
    low, high = bucket_bounds_ns(index)
    assert high - low <= 0.01 * low
    assert bucket_bounds_ns(index + 1)[0] == high
    assert bucket_index(low) == bucket_index(high - 1) == index


@given(lists, lists, lists)
def test_merging_is_associative_and_commutative(a, b, c):
    x, y, z = histogram(a), histogram(b), histogram(c)
    assert x.plus(y) == y.plus(x)
    assert x.plus(y).plus(z) == x.plus(y.plus(z)) == histogram(a + b + c)


@given(lists, lists)
def test_the_difference_of_two_states_is_what_came_between(a, b):
    assert histogram(a + b).minus(histogram(a)) == histogram(b)
    assert words(histogram(a + b)).minus(words(histogram(a))) == histogram(b)


@given(lists, st.sampled_from([0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0]))
def test_a_quantile_is_within_one_percent_of_the_exact_one(values, ratio):
    import math

    found = histogram(values).quantile_ns(ratio)
    ordered = sorted(values)
    exact = ordered[max(0, math.ceil(ratio * len(ordered)) - 1)]
    low, high = bucket_bounds_ns(bucket_index(exact))
    assert low <= found <= high


@given(lists, st.lists(st.floats(0, 1)))
def test_many_quantiles_at_once_are_those_found_one_by_one(values, ratios):
    counted = histogram(values)
    assert list(counted.quantiles_ns(ratios)) == ([counted.quantile_ns(ratio) for ratio in ratios] if values else [])


def test_nothing_counted_has_no_quantile():
    assert Histogram().quantile_ns(0.5) is None
    assert Histogram({7: 0}).quantile_ns(0.5) is None
    assert Histogram({7: 0, 9: 2}).quantile_ns(0.0) is not None
