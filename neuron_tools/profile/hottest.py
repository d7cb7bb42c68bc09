"""The operators that take the most time, and the bottleneck of each."""

from __future__ import annotations

from typing import NamedTuple

from runtime_core.engine.timing.timeline import Bound, Span, Timeline


class Hot(NamedTuple):
    """One operator over the whole execution.

    Attributes:
        operator: name in the source model, or the activity.
        opcode: opcode of its longest instruction; "" if it has none.
        duration_ns: total time.
        share: share of the execution's total time, 0..1.
        bound: bottleneck of most of that time.
        flops: floating-point operations; ``None`` if they are not counted.
        instructions: number of spans.
    """

    operator: str
    opcode: str
    duration_ns: int
    share: float
    bound: Bound
    flops: int | None
    instructions: int


def hottest(timeline: Timeline) -> list[Hot]:
    """Return operators by time, the longest first; their shares add up to 1."""
    durations: dict[str, dict[Bound, int]] = {}
    flops: dict[str, int] = {}
    counts: dict[str, int] = {}
    longest: dict[str, Span] = {}
    for span in timeline.spans:
        if span.detail:
            continue
        by_bound = durations.setdefault(span.operator, {})
        by_bound[span.bound] = by_bound.get(span.bound, 0) + span.duration_ns
        flops[span.operator] = flops.get(span.operator, 0) + span.flops
        counts[span.operator] = counts.get(span.operator, 0) + 1
        if span.duration_ns >= longest.setdefault(span.operator, span).duration_ns:
            longest[span.operator] = span
    rows = [
        Hot(
            operator,
            longest[operator].opcode,
            sum(by_bound.values()),
            sum(by_bound.values()) / timeline.total_ns if timeline.total_ns else 0.0,
            max(by_bound, key=lambda bound: by_bound[bound]),
            flops[operator] or None,
            counts[operator],
        )
        for operator, by_bound in durations.items()
    ]
    return sorted(rows, key=lambda row: (-row.duration_ns, row.operator))


def shares_by_bound(timeline: Timeline) -> dict[Bound, float]:
    """Return the share of the execution's time per bottleneck."""
    found = dict.fromkeys(Bound, 0)
    for span in timeline.spans:
        if not span.detail:
            found[span.bound] += span.duration_ns
    return {bound: duration_ns / timeline.total_ns for bound, duration_ns in found.items()}
