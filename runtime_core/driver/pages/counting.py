"""Counts executions in a page's words; the caller guards them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from runtime_core.driver.pages.words import (
    BUCKETS,
    CORE_WORDS,
    CORES,
    ERRORS,
    EXECUTIONS,
    INFERENCES,
    LATENCY,
    LATENCY_WORDS,
    STATUS,
)
from runtime_core.histogram import BUCKET_COUNT, bucket_index

_LOW, _HIGH = LATENCY + 1, LATENCY + 2
_DEVICE_LATENCY, _DEVICE_BUCKETS = LATENCY + LATENCY_WORDS, BUCKETS + BUCKET_COUNT
_DEVICE_LOW, _DEVICE_HIGH = _DEVICE_LATENCY + 1, _DEVICE_LATENCY + 2

ExecutionKind: TypeAlias = tuple[tuple[int, ...], int, int, int | None]
"""Cores, outcome, status and error: the first arguments of :func:`count_execution`."""


def count_execution(
    words: memoryview,
    cores: Sequence[int],
    outcome: int,
    status: int,
    error: int | None,
    total_ns: int,
    device_ns: int,
) -> None:
    """Count one execution; see :meth:`runtime_core.driver.pages.page.RuntimePage.count`."""
    words[EXECUTIONS + outcome] += 1
    if error is not None:
        words[ERRORS + error] += 1
    for core in cores:
        base = CORES + core * CORE_WORDS
        words[base + STATUS + status] += 1
        if total_ns >= 0:
            words[base + INFERENCES] += 1
    if total_ns >= 0:
        bucket = bucket_index(total_ns)
        words[LATENCY] += total_ns
        counted = words[BUCKETS + bucket]
        if not counted:
            # The range holds every bucket that was counted before.
            words[_LOW] = min(words[_LOW], bucket)
            words[_HIGH] = max(words[_HIGH], bucket)
        words[BUCKETS + bucket] = counted + 1
        bucket = bucket_index(device_ns)
        words[_DEVICE_LATENCY] += device_ns
        counted = words[_DEVICE_BUCKETS + bucket]
        if not counted:
            words[_DEVICE_LOW] = min(words[_DEVICE_LOW], bucket)
            words[_DEVICE_HIGH] = max(words[_DEVICE_HIGH], bucket)
        words[_DEVICE_BUCKETS + bucket] = counted + 1


def count_executions(
    words: memoryview,
    kind: ExecutionKind,
    times: int,
    total_latencies: Mapping[int, int],
    device_latencies: Mapping[int, int],
) -> None:
    """Count several; see :meth:`runtime_core.driver.pages.page.RuntimePage.count_many`."""
    cores, outcome, status, error = kind
    words[EXECUTIONS + outcome] += times
    if error is not None:
        words[ERRORS + error] += times
    ran = sum(total_latencies.values())
    for core in cores:
        base = CORES + core * CORE_WORDS
        words[base + STATUS + status] += times
        words[base + INFERENCES] += ran
    head, buckets = LATENCY, BUCKETS
    for latencies in (total_latencies, device_latencies):
        for latency_ns, count in latencies.items():
            bucket = bucket_index(latency_ns)
            words[head] += latency_ns * count
            words[head + 1] = min(words[head + 1], bucket)
            words[head + 2] = max(words[head + 2], bucket)
            words[buckets + bucket] += count
        head += LATENCY_WORDS
        buckets += BUCKET_COUNT
