"""Log-linear latency buckets.

Every octave of nanoseconds is cut into 128 equal buckets, so none is wider than 1/128 (0.78 %) of its lower bound.

The driver counts in them, telemetry subtracts and reads them; both use this arithmetic.
"""

from __future__ import annotations

import bisect
import itertools
import struct
from collections.abc import Mapping, Sequence

_SUB_BITS = 7
_SUB_COUNT = 1 << _SUB_BITS
_FIRST_OCTAVE = 10
"""Values under 2**10 ns (1 µs, far under the runtime's own overhead) share bucket 0."""
_LAST_OCTAVE = 41
"""Values from 2**41 ns (37 minutes) on share the last bucket."""

_FIRST_SHIFT, _LAST_SHIFT = _FIRST_OCTAVE - _SUB_BITS, _LAST_OCTAVE - _SUB_BITS
_BELOW = (_FIRST_SHIFT << _SUB_BITS) + _SUB_COUNT - 1

BUCKET_COUNT = (_LAST_OCTAVE - _FIRST_OCTAVE) * _SUB_COUNT + 2


def bucket_index(value_ns: int) -> int:
    """The bucket that counts a latency of ``value_ns`` nanoseconds."""
    shift = value_ns.bit_length() - 1 - _SUB_BITS
    if _FIRST_SHIFT <= shift < _LAST_SHIFT:
        return (shift << _SUB_BITS) + (value_ns >> shift) - _BELOW
    return 0 if shift < _FIRST_SHIFT else BUCKET_COUNT - 1


def bucket_bounds_ns(index: int) -> tuple[int, int]:
    """Lower (inclusive) and upper (exclusive) bound of a bucket, in nanoseconds."""
    if index <= 0:
        return 0, 1 << _FIRST_OCTAVE
    if index >= BUCKET_COUNT - 1:
        return 1 << _LAST_OCTAVE, 1 << (_LAST_OCTAVE + 1)
    octave, sub = divmod(index - 1, _SUB_COUNT)
    width = 1 << (octave + _FIRST_OCTAVE - _SUB_BITS)
    low = (sub + _SUB_COUNT) * width
    return low, low + width


class Histogram:
    """Cumulative counts of latencies, immutable.

    Attributes:
        buckets: bucket index -> count, without empty buckets, ascending.
        sum_ns: sum of all latencies, exact.
    """

    __slots__ = ("_buckets", "_first", "_interval", "_words", "sum_ns")

    def __init__(self, buckets: Mapping[int, int] | None = None, sum_ns: int = 0) -> None:
        """Counts by bucket, ascending."""
        self._buckets: Mapping[int, int] | None = {} if buckets is None else buckets
        self._words = b""
        self._first = 0
        self._interval: tuple[Histogram, Histogram] | None = None
        self.sum_ns = sum_ns

    @classmethod
    def from_words(cls, words: bytes, first: int, sum_ns: int) -> Histogram:
        """From little-endian 8-byte counts of the buckets from ``first`` on, decoded on first use."""
        made = cls(None, sum_ns)
        made._buckets, made._words, made._first = None, words, first
        return made

    @property
    def buckets(self) -> Mapping[int, int]:
        """Bucket index -> count."""
        if self._buckets is None:
            if self._interval is not None:
                self._buckets, self._interval = _difference(*self._interval), None
            else:
                self._buckets = {self._first + i: count for i, count in enumerate(_counts(self._words)) if count}
        return self._buckets

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and (self.buckets, self.sum_ns) == (other.buckets, other.sum_ns)

    def __hash__(self) -> int:
        return hash((tuple(self.buckets.items()), self.sum_ns))

    def __repr__(self) -> str:
        return f"Histogram({dict(self.buckets)!r}, {self.sum_ns})"

    @property
    def count(self) -> int:
        """The number of counted latencies."""
        return sum(self.buckets.values())

    def minus(self, earlier: Histogram) -> Histogram:
        """The counts since ``earlier``, a previous state of the same histogram; subtracted on first use."""
        made = Histogram(None, max(0, self.sum_ns - earlier.sum_ns))
        made._buckets, made._interval = None, (earlier, self)
        return made

    def plus(self, other: Histogram) -> Histogram:
        """Both histograms together; merging is associative and commutative."""
        merged = dict(self.buckets)
        for index, count in other.buckets.items():
            merged[index] = merged.get(index, 0) + count
        return Histogram(dict(sorted(merged.items())), self.sum_ns + other.sum_ns)

    def quantile_ns(self, ratio: float) -> float | None:
        """The latency below which ``ratio`` (0..1) of the counts lie, in nanoseconds; ``None`` when empty.

        Counts are assumed to be evenly spread within a bucket, so the error is at most the bucket's width (0.78 %).
        """
        found = self.quantiles_ns((ratio,))
        return found[0] if found else None

    def quantiles_ns(self, ratios: Sequence[float]) -> tuple[float, ...]:
        """:meth:`quantile_ns` of each of ``ratios``; none when empty."""
        if not self.count:
            return ()
        indexes, seen = list(self.buckets), list(itertools.accumulate(self.buckets.values()))
        found: list[float] = []
        for ratio in ratios:
            rank = ratio * seen[-1]
            at = min(bisect.bisect_left(seen, rank), len(seen) - 1)
            below = seen[at - 1] if at else 0
            low, high = bucket_bounds_ns(indexes[at])
            found.append(low + (high - low) * min(1.0, max(0.0, rank - below) / max(1, seen[at] - below)))
        return tuple(found)


def _counts(words: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(words) // 8}Q", words)


def _difference(earlier: Histogram, later: Histogram) -> dict[int, int]:
    """Bucket index -> how much larger its count became."""
    first = later._first
    if later._words and first == earlier._first and len(later._words) == len(earlier._words):
        # The same buckets of the same page: no need to decode all that did not change.
        pairs = zip(_counts(earlier._words), _counts(later._words), strict=True)
        return {first + i: after - before for i, (before, after) in enumerate(pairs) if after > before}
    counts = earlier.buckets
    return {i: n - counts.get(i, 0) for i, n in later.buckets.items() if n > counts.get(i, 0)}
