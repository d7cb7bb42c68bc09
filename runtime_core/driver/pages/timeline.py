"""A core's timeline: executions follow each other, and the finished part can be computed for any time.

A timeline is the first words of a page's ``CoreBlock``: ``busy_ns``, ``flops``, ``free_at_ns``, ``backlog_ns`` and
``backlog_flops``. The same arithmetic works on the mapped words and on a plain list of a runtime under a virtual clock.
"""

from __future__ import annotations

from typing import TypeAlias

from runtime_core.driver.layout import backlog_left_ns

TIMELINE_WORDS = 5
BUSY_NS, FLOPS, FREE_AT_NS, BACKLOG_NS, BACKLOG_FLOPS = range(TIMELINE_WORDS)

Timeline: TypeAlias = "memoryview | list[int]"


def reserved(
    timeline: Timeline, now_ns: int, earliest_ns: int, duration_ns: int, flops: int
) -> tuple[int, int, int, int, int]:
    """Return the timeline after work is added to it, behind the existing work.

    Args:
        timeline: timeline of the core.
        now_ns: time at which the work is placed.
        earliest_ns: earliest start of the work.
        duration_ns: its time on the core.
        flops: its floating-point operations.
    """
    busy_ns, all_flops, free_at_ns, backlog_ns, backlog_flops = timeline
    left_ns = backlog_left_ns(free_at_ns, backlog_ns, now_ns)
    left_flops = -(-backlog_flops * left_ns // backlog_ns) if left_ns else 0
    end_ns = max(earliest_ns, free_at_ns) + duration_ns
    return busy_ns + duration_ns, all_flops + flops, end_ns, left_ns + duration_ns, left_flops + flops
