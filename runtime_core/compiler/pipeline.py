"""Where a chain of instructions is cut into the stages of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

_HALVINGS = 24
_MOST_PLACES = 512
"""Places that are tried in a long chain: the cheapest of each of so many pieces."""


def stage_sizes(costs: Sequence[float], stages: int, cut_costs: Sequence[float] | None = None) -> list[int]:
    """Lengths of the runs that make the costliest of them as cheap as can be.

    Args:
        costs: of each instruction, in order, not negative.
        stages: runs wanted; fewer only where there are fewer instructions.
        cut_costs: what a cut before each instruction adds to the run before it and to the run after it.
    """
    count = len(costs)
    stages = min(stages, count)
    crossing = [*(cut_costs or [0.0] * count), 0.0]
    crossing[0] = 0.0
    done = [0.0, *accumulate(costs)]
    places = _places(crossing, count, stages)
    low, high = max(costs, default=0.0), done[-1] + 2 * max(crossing)
    cuts = [0, count]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found = _cuts_within(done, crossing, places, middle, stages)
        if found is None:
            low = middle
        else:
            cuts, high = found, middle
    while len(cuts) - 1 < stages:
        start, end = max(pairwise(cuts), key=lambda run: run[1] - run[0])
        cuts = sorted([*cuts, (start + end) // 2])
    return [end - start for start, end in pairwise(cuts)]


def _places(crossing: Sequence[float], count: int, stages: int) -> list[int]:
    """Where cuts may be, with both ends."""
    pieces = max(_MOST_PLACES, 8 * stages)
    if count <= pieces:
        return list(range(count + 1))
    edges = [1 + piece * (count - 1) // pieces for piece in range(pieces + 1)]
    inner = (min(range(start, end), key=crossing.__getitem__) for start, end in pairwise(edges))
    return [0, *inner, count]


def _cuts_within(
    done: Sequence[float], crossing: Sequence[float], places: Sequence[int], limit: float, stages: int
) -> list[int] | None:
    """Cuts with no run above ``limit``, as few as there can be; ``None`` where that takes more runs than ``stages``."""
    fewest = [0] + [stages + 1] * (len(places) - 1)
    source = [0] * len(places)
    for right in range(1, len(places)):
        end = places[right]
        for left in range(right - 1, -1, -1):
            start = places[left]
            run = done[end] - done[start]
            if run > limit:
                break
            if run + crossing[start] + crossing[end] <= limit and fewest[left] + 1 < fewest[right]:
                fewest[right], source[right] = fewest[left] + 1, left
    if fewest[-1] > stages:
        return None
    cuts, at = [places[-1]], len(places) - 1
    while at:
        at = source[at]
        cuts.append(places[at])
    return cuts[::-1]
