"""The slowest stage is as fast as the cuts can make it."""

from itertools import accumulate, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_core.compiler.pipeline import stage_sizes


def slowest(costs, sizes):
    ends = list(accumulate(sizes))
    return max(sum(costs[end - size : end]) for size, end in zip(sizes, ends))


@given(st.lists(st.integers(0, 100), min_size=1, max_size=9), st.integers(1, 9))
def test_no_other_cuts_are_better(costs, stages):
    sizes = stage_sizes(costs, stages)
    assert sum(sizes) == len(costs)
    assert len(sizes) == min(stages, len(costs))
    assert min(sizes) >= 1
    best = min(
        slowest(costs, [b - a for a, b in zip((0, *cuts), (*cuts, len(costs)))])
        for cuts in combinations(range(1, len(costs)), len(sizes) - 1)
    )
    assert slowest(costs, sizes) == pytest.approx(best)
