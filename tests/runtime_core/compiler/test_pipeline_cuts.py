"""The slowest stage is as fast as the cuts can make it."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("numpy")
from runtime_core.compiler.pipeline import fastest_cut, stage_sizes


def slowest(costs, crossing, cuts):
    edge = {0: 0, len(costs): 0, **{cut: crossing[cut] for cut in cuts}}
    return max(sum(costs[a:b]) + edge[a] + edge[b] for a, b in pairwise((0, *cuts, len(costs))))


def cuts_of(sizes):
    at, cuts = 0, []
    for size in sizes[:-1]:
        at += size
        cuts.append(at)
    return cuts


@given(st.data(), st.lists(st.integers(0, 100), min_size=1, max_size=9), st.integers(1, 9))
def test_no_cuts_into_as_many_or_fewer_stages_are_better(data, costs, stages):
    crossing = data.draw(st.lists(st.integers(0, 30), min_size=len(costs), max_size=len(costs)))
    sizes = stage_sizes(costs, stages, crossing)
    assert sum(sizes) == len(costs)
    assert len(sizes) <= min(stages, len(costs))
    assert min(sizes) >= 1
    best = min(
        slowest(costs, crossing, cuts)
        for count in range(1, min(stages, len(costs)) + 1)
        for cuts in combinations(range(1, len(costs)), count - 1)
    )
    assert slowest(costs, crossing, cuts_of(sizes)) == pytest.approx(best, rel=1e-3, abs=1e-2)


@given(st.data(), st.lists(st.integers(0, 100), min_size=1, max_size=12))
def test_more_cores_are_never_slower(data, costs):
    crossing = data.draw(st.lists(st.integers(0, 60), min_size=len(costs), max_size=len(costs)))

    def measure(sizes):
        return slowest(costs, crossing, cuts_of(sizes))

    times = [measure(fastest_cut(costs, cores, crossing, measure)) for cores in range(1, 10)]
    assert all(more <= fewer for fewer, more in pairwise(times))


def test_cores_that_would_only_add_transfers_are_not_used():
    costs, crossing = [5, 5], [0, 100]
    assert fastest_cut(costs, 2, crossing, lambda sizes: slowest(costs, crossing, cuts_of(sizes))) == [2]


def test_a_cheap_place_to_cut_is_worth_an_uneven_split():
    costs, crossing = [10] * 6, [0, 50, 50, 50, 1, 50]
    assert stage_sizes(costs, 2, crossing) == [4, 2]
    assert stage_sizes(costs, 2) == [3, 3]


def test_a_long_chain_is_cut_as_evenly_as_a_short_one():
    sizes = stage_sizes([1.0] * 20_000, 16)
    assert sum(sizes) == 20_000
    assert max(sizes) < 1.05 * 20_000 / 16
