"""Cut a chain of instructions into the stages of a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import numpy as np

_MOST_PLACES = 512
"""Number of pieces of a long chain; a cut is tried only at the cheapest place of each piece."""
_WORTH_MEASURING = 0.7
"""A cut is measured only if this share of its estimate does not exceed the best measurement so far."""


def fastest_cut(
    costs: Sequence[float],
    stages: int,
    cut_costs: Sequence[float] | None,
    measure: Callable[[Sequence[int]], float],
) -> list[int]:
    """Return lengths of up to ``stages`` runs, whose slowest run is the fastest according to measurements.

    Args:
        costs: estimated cost of each instruction, in order.
        stages: maximum number of runs; fewer are used if more would be slower.
        cut_costs: as for :func:`stage_sizes`.
        measure: returns the time of the slowest run, given the lengths of the runs.
    """
    best, best_cost = [len(costs)], measure([len(costs)])
    crossing = [0.0] * len(costs) if cut_costs is None else list(cut_costs)
    crossing[:1] = [0.0] * len(crossing[:1])
    measured = {1}
    for count in range(min(stages, len(costs)), 1, -1):
        sizes = stage_sizes(costs, count, crossing)
        ends = [0, *accumulate(sizes)]
        done = [0.0, *accumulate(costs)]
        estimate = max(
            done[end] - done[start] + crossing[start] + (crossing[end] if end < len(costs) else 0.0)
            for start, end in pairwise(ends)
        )
        if estimate * _WORTH_MEASURING > best_cost:
            break
        if len(sizes) not in measured:
            measured.add(len(sizes))
            cost = measure(sizes)
            # Of equally fast cuts, choose the one with fewer cores.
            if cost <= best_cost:
                best, best_cost = sizes, cost
    return best


def stage_sizes(costs: Sequence[float], stages: int, cut_costs: Sequence[float] | None = None) -> list[int]:
    """Return lengths of runs such that the costliest run is as cheap as possible, with as few runs as possible.

    Args:
        costs: cost of each instruction, in order, not negative.
        stages: maximum number of runs.
        cut_costs: cost that a cut before each instruction adds to the run before it and to the run after it.
    """
    count = len(costs)
    stages = min(stages, count)
    crossing = [*(cut_costs or [0.0] * count), 0.0]
    crossing[0] = 0.0
    done = [0.0, *accumulate(costs)]
    places = _places(crossing, count, stages)
    limit = _least_slowest(done, crossing, places, stages)
    cuts = _cuts_within(done, crossing, places, limit, stages) or [0, count]
    return [end - start for start, end in pairwise(cuts)]


def _places(crossing: Sequence[float], count: int, stages: int) -> list[int]:
    """Return the possible cuts, including both ends."""
    pieces = max(_MOST_PLACES, 8 * stages)
    if count <= pieces:
        return list(range(count + 1))
    edges = [1 + piece * (count - 1) // pieces for piece in range(pieces + 1)]
    inner = (min(range(start, end), key=crossing.__getitem__) for start, end in pairwise(edges))
    return [0, *inner, count]


def _least_slowest(done: Sequence[float], crossing: Sequence[float], places: Sequence[int], stages: int) -> float:
    """Return the lowest possible cost of the costliest of up to ``stages`` runs."""
    at = np.asarray(places)
    total, extra = np.asarray(done)[at], np.asarray(crossing)[at]
    # The same operations in the same order as in :func:`_cuts_within`, so that both agree to the last bit.
    run = (total[None, :] - total[:, None]) + extra[:, None] + extra[None, :]
    run[np.tri(len(at), dtype=bool)] = np.inf
    least = run[0].copy()
    for _ in range(stages - 1):
        np.minimum(least, np.maximum(least[:, None], run).min(axis=0), out=least)
    return float(least[-1])


def _cuts_within(
    done: Sequence[float], crossing: Sequence[float], places: Sequence[int], limit: float, stages: int
) -> list[int] | None:
    """Return the fewest cuts with no run above ``limit``; ``None`` if they result in more than ``stages`` runs."""
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
