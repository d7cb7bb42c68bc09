"""Where a chain of instructions is cut into the stages of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence

_HALVINGS = 40


def stage_sizes(costs: Sequence[float], stages: int) -> list[int]:
    """Lengths of the runs that make the costliest of them as cheap as can be.

    Args:
        costs: of each instruction, in order, not negative.
        stages: runs wanted; fewer only where there are fewer instructions.
    """
    stages = min(stages, len(costs))
    low, high = max(costs, default=0.0), sum(costs)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _fits(costs, stages, middle):
            high = middle
        else:
            low = middle
    return _fill(costs, stages, high)


def _fits(costs: Sequence[float], stages: int, limit: float) -> bool:
    used, total = 1, 0.0
    for cost in costs:
        if total + cost > limit:
            used, total = used + 1, 0.0
        total += cost
    return used <= stages


def _fill(costs: Sequence[float], stages: int, limit: float) -> list[int]:
    """Fill stage after stage up to the limit, and leave at least one instruction for each that is to come."""
    sizes, total = [0], 0.0
    for position, cost in enumerate(costs):
        to_come = stages - len(sizes)
        full = total + cost > limit or len(costs) - position == to_come
        if sizes[-1] and to_come and full:
            sizes.append(0)
            total = 0.0
        sizes[-1] += 1
        total += cost
    return sizes
