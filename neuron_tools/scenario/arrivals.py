"""Arrival times of requests: endless, ascending, in nanoseconds, and equal for equal seeds."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path

from neuron_tools.scenario.schema import Arrivals, Diurnal, nanoseconds_of
from runtime_core.errors import NeuronError
from runtime_core.files import read_regular

_MAX_TRACE_BYTES = 64 << 20


def arrival_times_ns(arrivals: Arrivals, rng: random.Random, start_ns: int, folder: Path) -> Iterator[int]:
    """Yield the times of the requests from ``start_ns`` on.

    Args:
        arrivals: any kind except closed, which has no arrival times.
        rng: source of randomness.
        start_ns: when the application starts.
        folder: where trace files are.

    Raises:
        NeuronError: the trace cannot be read.
    """
    if arrivals.constant is not None:
        return _constant(arrivals.constant, start_ns)
    if arrivals.poisson is not None:
        return _poisson(arrivals.poisson, rng, start_ns)
    if arrivals.diurnal is not None:
        return _diurnal(arrivals.diurnal, rng, start_ns)
    assert arrivals.trace is not None  # noqa: S101 - the file was checked
    return iter([start_ns + offset for offset in read_trace(folder / arrivals.trace)])


def _constant(rate: float, start_ns: int) -> Iterator[int]:
    number = 0
    while True:
        # Counted from the start, so that errors do not accumulate.
        yield start_ns + round(number * 1e9 / rate)
        number += 1


def _poisson(rate: float, rng: random.Random, start_ns: int) -> Iterator[int]:
    at = float(start_ns)
    while True:
        at += rng.expovariate(rate) * 1e9
        yield round(at)


def _diurnal(curve: Diurnal, rng: random.Random, start_ns: int) -> Iterator[int]:
    """A Poisson process with a periodic rate: candidates at the highest rate, thinned (Lewis and Shedler, 1979)."""
    low, high = sorted((curve.low, curve.high))
    period_ns = nanoseconds_of(curve.period)
    at = float(start_ns)
    while True:
        at += rng.expovariate(high) * 1e9
        phase = (at - start_ns) / period_ns
        rate = curve.low + (curve.high - curve.low) * (1 - math.cos(2 * math.pi * phase)) / 2
        if rng.random() * high < max(low, rate):
            yield round(at)


def read_trace(path: Path) -> list[int]:
    """Read times from a file with ascending seconds, one per line; lines with # are skipped.

    Returns:
        Nanoseconds since the start.

    Raises:
        NeuronError: it cannot be read, or a line is not an ascending number.
    """
    try:
        raw = read_regular(path, _MAX_TRACE_BYTES)
    except OSError as error:
        raise NeuronError(f"cannot read the file: {error.strerror}", where=str(path)) from None
    offsets: list[int] = []
    for number, line in enumerate(raw.splitlines(), 1):
        text = line.strip()
        if not text or text.startswith(b"#"):
            continue
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds < 1e9 or (offsets and seconds * 1e9 < offsets[-1] - 1):
            shown = text[:40].decode("utf-8", "replace")
            raise NeuronError(f"{shown!r}: expected seconds from the start, ascending", where=f"{path}:{number}")
        offsets.append(round(seconds * 1e9))
    return offsets
